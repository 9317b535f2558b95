"""What lies in a data folder: what is not what it must be is named before a run opens it."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from laptop.data_files import check_files
from laptop.data_folder import is_running, read_state
from laptop.databases import Databases
from laptop.errors import LaptopError
from laptop.state import kept_folder


def made(data: Path, name: str) -> Path:
    path = data / name
    path.parent.mkdir(exist_ok=True)
    return path


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("logs", Path.touch, "must be a folder"),
        ("run", Path.touch, "must be a folder"),
        ("lock", Path.mkdir, "must be a file"),
        ("lock", os.mkfifo, "must be a file"),
        ("secrets.json", os.mkfifo, "must be a file"),
        ("secrets.json", link_to_itself, "cannot be read (Too many levels of symbolic links)"),
        ("state.json", Path.mkdir, "must be a file"),
        ("reserve.db", Path.mkdir, "must be a file"),
        ("reserve.db", os.mkfifo, "must be a file"),
        ("reserve.db", lambda path: path.write_text("hm"), "is not a SQLite database"),
        ("broker.db-wal", Path.mkdir, "must be a file"),
        ("logs/reserve.log", os.mkfifo, "must be a file"),
        ("run/reserve.pid", Path.mkdir, "must be a file"),
    ],
)
def test_what_is_not_what_it_must_be_is_named_with_the_way_out(
    tmp_path: Path, name: str, make: Callable[[Path], object], reason: str
) -> None:
    path = made(tmp_path, name)
    make(path)
    with pytest.raises(LaptopError) as refused:
        check_files(tmp_path)
    assert f"{path} {reason}" in str(refused.value)
    assert "Move it away" in str(refused.value)


def test_all_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    (tmp_path / "reserve.db").mkdir()
    with pytest.raises(LaptopError) as refused:
        check_files(tmp_path)
    assert f"{tmp_path}/reserve.db" in str(refused.value)
    assert f"{tmp_path}/run" in str(refused.value)


def test_an_empty_folder_a_database_a_link_and_what_people_keep_there_are_all_right(tmp_path: Path) -> None:
    check_files(tmp_path / "not there yet")
    check_files(tmp_path)
    with closing(sqlite3.connect(tmp_path / "reserve.db")) as database:
        database.execute("CREATE TABLE reservations (id)")
    (tmp_path / "payment.db").touch()
    (tmp_path / "dashboard.db").symlink_to(tmp_path / "elsewhere.db")
    (tmp_path / "promotions").mkdir()
    os.mkfifo(tmp_path / "a pipe of somebody")
    check_files(tmp_path)


def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    os.mkfifo(tmp_path / "state.json")
    assert not is_running(tmp_path)
    assert read_state(tmp_path) is None


def test_a_file_in_the_place_of_a_mounted_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "promotions").touch()
    with pytest.raises(LaptopError, match="promotions must be a folder"):
        kept_folder(tmp_path, "PROMOTIONS_FOLDER")


def test_a_database_that_is_deleted_or_replaced_is_reported_once_and_so_is_its_return(tmp_path: Path) -> None:
    for name in ("reserve", "payment"):
        (tmp_path / f"{name}.db").touch()
    reserve, payment, databases = tmp_path / "reserve.db", tmp_path / "payment.db", Databases(tmp_path)
    assert databases.remember() == []
    assert databases.news() == []

    reserve.rename(tmp_path / "shelf")
    payment.rename(tmp_path / "shelf of payments")
    payment.touch()
    said = databases.news()
    assert [line.split(":")[0] for line in said] == [f"{payment} was replaced", f"{reserve} was deleted"]
    assert databases.news() == []
    for path in (reserve, payment):
        with pytest.raises(OSError, match="while the system runs"):
            databases.require(path)

    (tmp_path / "shelf").rename(reserve)
    assert databases.news() == [f"{reserve} is back"]
    databases.require(reserve)


def test_a_database_that_was_missing_beside_others_at_the_start_is_named(tmp_path: Path) -> None:
    (tmp_path / "payment.db").touch()
    databases = Databases(tmp_path)
    databases.remember()
    (tmp_path / "reserve.db").touch()
    assert databases.remember() == ["reserve.db"]
