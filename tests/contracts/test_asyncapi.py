"""The AsyncAPI document before its official parser, which comes from npm."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from testbed.project import ROOT

PARSER = ROOT / "contracts" / "parser"
INSTALL = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]


@pytest.fixture
def parser() -> Path:
    """The folder of the official parser of AsyncAPI in its locked version: in the environment, installed once."""
    if shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no npm: apt-get install npm")
        pytest.skip("there is no npm on this machine: install it to have the AsyncAPI document judged")
    lock = hashlib.sha256(PARSER.joinpath("package-lock.json").read_bytes()).hexdigest()
    installed = Path(sys.prefix) / f"asyncapi-parser-{lock[:12]}"
    if not installed.exists():
        with tempfile.TemporaryDirectory(dir=sys.prefix) as folder:
            place = shutil.copytree(PARSER, Path(folder, "parser"))
            subprocess.run(INSTALL, cwd=place, check=True, timeout=500)
            place.rename(installed)  # whole, or not at all
    shutil.copy(PARSER / "judge.mjs", installed)
    return installed


@pytest.mark.timeout(600)  # a slow network, once
def test_the_official_parser_accepts_the_asyncapi_document_and_no_broken_one(parser: Path, tmp_path: Path) -> None:
    document, broken = ROOT / "docs" / "asyncapi.yaml", tmp_path / "broken.yaml"
    broken.write_text(document.read_text("utf-8").replace("action: receive", "action: hear"), "utf-8")

    judge = ["node", "judge.mjs", str(document), str(broken)]
    said = subprocess.run(judge, cwd=parser, check=False, timeout=300, capture_output=True, text=True)

    lines = said.stderr.splitlines()
    assert [line for line in lines if not line.startswith(f"{broken}: ")] == []
    assert any("operations" in line for line in lines)
    assert said.returncode == 1
