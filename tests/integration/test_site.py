"""The documentation site as `make docs` builds it."""

import subprocess
import sys
from pathlib import Path

from docs.site import PROJECT, lay_out


def test_every_link_and_anchor_of_our_own_pages_leads_somewhere(tmp_path: Path) -> None:
    lay_out(PROJECT, tmp_path)
    built = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(tmp_path / "zensical.toml")]

    done = subprocess.run(built, capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "html" / "README.ko.html").exists()
    assert (tmp_path / "html" / "docs" / "deploy.html").exists()
