"""A changed file is what the next call runs; a mistake in it is shown, and ends no function."""

import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from testbed.running_system import RunningSystem, eventually, running_system
from tests.laptop.conftest import FIXTURES

ANSWER = 'return _json({"pid": os.getpid(), "environment": dict(os.environ)})'


@dataclass(frozen=True)
class Edited:
    """A system whose functions are edited while it runs."""

    system: RunningSystem
    source: Path

    def answer(self, seconds: float = 0) -> requests.Response:
        return requests.get(f"{self.system.url('report')}/?seconds={seconds}", timeout=30)

    def says(self, word: str) -> bool:
        answer = self.answer()
        return answer.status_code == 200 and answer.json().get("word") == word

    def edit(self, word: str) -> None:
        """From now on the function is to say another word."""
        text = (FIXTURES / "functions" / "sample" / "main.py").read_text("utf-8")
        assert ANSWER in text
        self.source.write_text(text.replace(ANSWER, f'return _json({{"word": "{word}"}})'), "utf-8")


@pytest.fixture
def edited(tmp_path: Path) -> Iterator[Edited]:
    """No function falls asleep in it on its own."""
    functions = tmp_path / "functions"
    shutil.copytree(FIXTURES / "functions", functions, ignore=shutil.ignore_patterns("__pycache__"))
    arguments = ("--manifests", str(FIXTURES / "manifests"), "--functions", str(functions), "--window", "300s")
    with running_system(tmp_path / "data", *arguments) as system:
        yield Edited(system, functions / "sample" / "main.py")


def test_an_awake_function_begins_again_with_a_changed_file_and_no_call_fails(edited: Edited) -> None:
    edited.answer()
    edited.system.await_state("report", "awake")
    codes: list[int] = []
    over = threading.Event()

    def keep_calling() -> None:
        while not over.is_set():
            codes.append(edited.answer(0.1).status_code)

    callers = [threading.Thread(target=keep_calling) for _ in range(3)]
    for caller in callers:
        caller.start()
    try:
        edited.edit("changed")
        eventually(lambda: edited.says("changed"), "the change is run", 30)
    finally:
        over.set()
        for caller in callers:
            caller.join()

    assert set(codes) == {200}
    said = edited.system.said()
    assert re.search(r"changed: \S+/sample/main\.py; the next call runs it, and .*\breport begin again", said)
    edited.system.process_of("report")
    assert edited.system.service("report")["starts"] == 2


def test_a_sleeping_function_starts_with_what_is_there(edited: Edited) -> None:
    edited.edit("changed in its sleep")

    assert edited.answer().json() == {"word": "changed in its sleep"}
    edited.system.await_state("report", "awake")
    assert edited.system.service("report")["starts"] == 1


def test_a_mistake_is_shown_with_its_line_and_what_is_awake_goes_on_until_it_is_mended(edited: Edited) -> None:
    edited.answer()
    edited.system.await_state("report", "awake")
    lines = len(edited.source.read_text("utf-8").splitlines())
    with edited.source.open("a", encoding="utf-8") as source:
        source.write("def broken(:\n")

    eventually(lambda: f"main.py, line {lines + 1}: " in edited.system.said(), "the mistake is shown")
    assert edited.answer().status_code == 200
    assert edited.system.service("report")["starts"] == 1

    edited.edit("mended")
    eventually(lambda: edited.says("mended"), "the mended file is run", 30)


def test_a_function_that_could_not_start_is_tried_again_at_once_when_its_file_is_mended(edited: Edited) -> None:
    edited.source.write_text("import there_is_no_such_module\n", "utf-8")
    eventually(lambda: "report does not start" in edited.answer().text, "callers are refused", 60)
    assert "there_is_no_such_module" in edited.system.said()

    edited.edit("mended")
    eventually(lambda: edited.says("mended"), "the mended file is run", 30)
