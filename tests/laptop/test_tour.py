"""The tour of both READMEs, pasted as a block into a shell."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.project import ROOT
from testbed.running_system import RunningSystem, running_system

TOURS = {"README.md": "## A 60-second tour", "README.ko.md": "## 60초 둘러보기"}
PORTS = {"8082": "reserve", "8083": "flight-seats", "8085": "dashboard"}


@pytest.fixture
def system(tmp_path: Path) -> Iterator[RunningSystem]:
    with running_system(tmp_path / "airline", "--window", "1h") as running:
        yield running


def block(page: str) -> str:
    text = (ROOT / page).read_text("utf-8").split(TOURS[page], 1)[1]
    found = re.search(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def here(typed: str, system: RunningSystem) -> str:
    """The block for a system with other ports and another folder than a reader has."""
    ports = PORTS.items()
    for port, url in [("8088", system.gateway), *((port, system.url(name)) for port, name in ports)]:
        typed = re.sub(rf"(localhost)?:{port}\b", url.removeprefix("http://"), typed)
    typed = typed.replace("$PWD/.venv/bin", str(Path(sys.executable).parent))
    return typed.replace(".airline/", f"{system.data}/").replace(
        "make status", f"make status ARGS='--data {system.data}'"
    )


def commands(page: str) -> list[str]:
    """What of the block a shell runs: its lines without comments."""
    return [line for line in (re.sub(r"(^|\s+)# .*", "", typed) for typed in block(page).splitlines()) if line]


def test_the_tour_is_the_same_in_both_languages() -> None:
    english, korean = (commands(page) for page in TOURS)

    assert english
    assert korean == english


@pytest.mark.timeout(300)
def test_the_tour_works_pasted_as_a_block(system: RunningSystem) -> None:
    settings = os.environ | {"AIRLINE_URL": system.gateway, "NO_COLOR": "1"}

    shell = subprocess.run(
        ["bash"],
        input=here(block("README.md"), system),
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    said = shell.stdout
    assert shell.returncode == 0, said + shell.stderr
    assert re.findall(r"^status +(\w+)", said, re.MULTILINE)[:3] == ["SUCCEED", "CANCELED", "CANCELED"], said
    assert "not enough seats left: 2 remain" in said
    assert "ReservationCanceled" in said
    assert "202" in said
    assert "[SUMMER EVENT]" in said
    assert "broken" not in shell.stderr
    assert "error" not in shell.stderr.lower(), shell.stderr
