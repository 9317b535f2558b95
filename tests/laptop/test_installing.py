"""`make` where the environment cannot be made, or is there by half."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from testbed.running_system import ROOT

NO_INDEX = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
ODD = {"PIP_USER": "1", "PYTHONOPTIMIZE": "2", "PYTHONPATH": "/nowhere", "CDPATH": "/:/tmp", "BASH_ENV": "/nowhere"}


def made(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **NO_INDEX, **ODD}
    return subprocess.run(
        ["make", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=110
    )


def checkout(folder: Path) -> Path:
    (folder / "requirements").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copy(ROOT / "requirements" / "laptop.txt", folder / "requirements")
    return folder


def test_without_a_network_it_says_so_and_an_environment_that_is_not_whole_is_made_again(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "a b%41?c#d&e;f'g$i가")
    offline = made(folder, "status")
    assert offline.returncode != 0
    assert "There is no network, or none that reaches the package index" in offline.stderr
    assert "make status again" in offline.stderr
    [pip] = (folder / ".venv").glob("lib/python*/site-packages/pip")
    shutil.rmtree(pip)  # as if the making had been broken off
    mended = made(folder, "status")
    assert "is not whole; making it again" in mended.stdout
    assert "There is no network" in mended.stderr
    assert pip.is_dir()


def test_a_folder_that_python_cannot_use_is_named_before_anything_is_made(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "12:30")
    refused = made(folder, "status")
    assert "Python makes no environment in a folder with a colon in its path: move the project." in refused.stderr
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize("venv", ["a b", ""])
def test_an_environment_with_a_blank_in_its_name_is_refused(tmp_path: Path, venv: str) -> None:
    assert "for make, a name ends at a blank" in made(checkout(tmp_path / "x"), "status", f"VENV={venv}").stderr


def test_clean_works_before_anything_is_installed(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "a b")
    shutil.copytree(ROOT / "laptop", folder / "laptop", ignore=shutil.ignore_patterns("__pycache__"))
    elsewhere = tmp_path / "a large disk"
    elsewhere.mkdir()
    (elsewhere / "reserve.db").touch()
    (folder / ".airline").symlink_to(elsewhere)
    for _ in range(2):
        cleaned = made(folder, "clean")
        assert cleaned.returncode == 0, cleaned.stderr
        assert not any(elsewhere.iterdir())
    assert not (folder / ".venv").exists()
