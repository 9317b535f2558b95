"""Migrations of a folder of functions whose path has what INI files, URLs and lists give a meaning."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import make_url

from choreography import migrations
from laptop.container_environment import database_url
from testbed.project import ROOT


@pytest.mark.parametrize("name", ["100%", "%(here)s", "a b", "a?b#c", "a,b;c", "a\nb", " a ", "가격", "-n", "$HOME"])
def test_a_database_is_brought_up_to_date_wherever_it_lies(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / name / name
    shutil.copytree(
        ROOT / "functions" / "payment" / "migrations",
        place / "payment" / "migrations",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copytree(migrations.ENVIRONMENT, place / "migration", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(migrations, "ENVIRONMENT", place / "migration")

    migrations.upgrade(place / "payment", make_url(database_url("DATABASE_URL", "payment", place)))

    assert {path.name for path in tmp_path.iterdir()} == {name}
    with sqlite3.connect(place / "payment.db") as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    assert "payments" in tables
