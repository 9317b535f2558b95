"""A checkout as git makes it on any machine."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from testbed.project import ROOT

FILES = (
    "bin/airline",
    "knative/deploy",
    "knative/base/settings.yaml",
    "requirements/laptop.txt",
    "Makefile",
    "LICENSE",
)


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_line_ends_stay_what_shells_and_make_need_whatever_autocrlf_says(tmp_path: Path) -> None:
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    for name in (".gitattributes", *FILES):
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, origin / name)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*words: str) -> None:
        author = ("-c", "user.name=a", "-c", "user.email=a@airline.example")
        command = ["git", "-c", "core.autocrlf=true", *author, *words]
        subprocess.run(command, cwd=origin, env=environment, check=True, capture_output=True)

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "all")
    git("clone", "--quiet", str(origin), str(clone))
    for name in FILES:
        assert (clone / name).read_bytes() == (ROOT / name).read_bytes()
