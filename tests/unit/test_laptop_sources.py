"""Which files of the functions have changed, and which of them are not Python."""

import os
from pathlib import Path

import pytest

from laptop.sources import Sources, mistakes


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("functions/payment/migrations", "choreography/__pycache__"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "functions" / "payment" / "payments.py").write_text("", "utf-8")
    (tmp_path / "choreography" / "wire.py").write_text("", "utf-8")
    return tmp_path / "functions", tmp_path / "choreography"


def test_what_is_changed_added_or_removed_is_found_once(folders: tuple[Path, Path]) -> None:
    functions, kit = folders
    sources = Sources(folders)
    assert sources.changes() == []

    (functions / "payment" / "payments.py").write_text("x = 1\n", "utf-8")
    (functions / "payment" / "new.py").touch()
    (kit / "wire.py").unlink()

    changed = sources.changes()
    assert [path.name for path in changed] == ["wire.py", "new.py", "payments.py"]
    assert sources.changes() == []


def test_a_file_that_was_saved_without_growing_is_found_by_its_time(folders: tuple[Path, Path]) -> None:
    sources = Sources(folders)
    file = folders[1] / "wire.py"

    os.utime(file, (1, 1))

    assert sources.changes() == [file]


@pytest.mark.parametrize(
    "name",
    [
        "payment/migrations/0009_more.py",
        "payment/notes.txt",
        "payment/.payments.py.swp",
        "../choreography/__pycache__/w.py",
    ],
)
def test_what_no_function_runs_is_left_alone(folders: tuple[Path, Path], name: str) -> None:
    sources = Sources(folders)

    (folders[0] / name).write_text("x", "utf-8")

    assert sources.changes() == []


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert Sources((tmp_path / "nowhere",)).changes() == []


def test_a_mistake_is_named_by_file_and_line(tmp_path: Path) -> None:
    good, bad, null, gone = (tmp_path / name for name in ("good.py", "bad.py", "null.py", "gone.py"))
    good.write_text("x = 1\n", "utf-8")
    bad.write_text("x = 1\ndef broken(:\n", "utf-8")
    null.write_bytes(b"x = 1\0")
    data = tmp_path / "data.json"
    data.write_text("{", "utf-8")

    found = list(mistakes([good, bad, null, gone, data]))

    assert [text.startswith(start) for text, start in zip(found, (f"{bad}, line 2: ", str(null)), strict=True)] == [
        True
    ] * 2
