"""Every target starts from what its image holds, with nothing else at hand, and imports only what it needs."""

import os
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from images import layout
from testbed.image_trees import command_of, environment_of, lay_out, lay_out_migrations, probed, started
from testbed.project import function_folders, targets

Made = TypeVar("Made")
pytestmark = pytest.mark.timeout(600)  # the first one installs
TARGETS = [(folder, target) for folder in function_folders() for target in targets(folder)]
FRAMEWORK = {"functions_framework", "google", "flask", "werkzeug", "jinja2", "markupsafe", "itsdangerous", "blinker"}
FRAMEWORK |= {"click", "gunicorn", "httptools", "packaging", "cloudevents", "deprecation"}
NEEDED = FRAMEWORK | {"sqlalchemy", "typing_extensions"}
"""Of all that is installed in an image. Of a driver there is none here, as SQLite needs none."""
DIALECTS = {"sqlalchemy.dialects.mysql", "sqlalchemy.dialects.sqlite"}
"""The one in use, and the one whose column types the tables name."""


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """By folder. They are read-only: whatever the tests start writes nothing into them."""
    made = installed(lambda: lay_out(tmp_path_factory.mktemp("images")))
    before = _times(made)
    yield made
    assert _times(made) == before


@pytest.mark.parametrize(("folder", "target"), TARGETS, ids=[target for _, target in TARGETS])
def test_a_target_starts_from_its_image_alone_and_imports_what_it_needs(
    trees: dict[str, Path], tmp_path: Path, folder: str, target: str
) -> None:
    url = f"sqlite:///{tmp_path}/{folder}.db"
    (tmp_path / f"{folder}.db").touch()  # only migrations make a database
    start = probed(trees[folder], folder, tmp_path, FUNCTION_TARGET=target, DATABASE_URL=url)

    assert start.status == 204
    installed = {path.name.removesuffix(".py") for path in (trees[folder] / "app" / "site-packages").iterdir()}
    assert {name.partition(".")[0] for name in start.imported} & installed <= NEEDED
    dialects = {name for name in start.imported if re.fullmatch(r"sqlalchemy\.dialects\.[a-z]+", name)}
    assert dialects <= DIALECTS


def test_the_databases_of_all_folders_are_brought_up_to_date_by_an_image_alone(tmp_path: Path) -> None:
    tree = installed(lambda: lay_out_migrations(tmp_path / "image"))
    folders = [path.parent.relative_to(tree / "app") for path in sorted((tree / "app").glob("functions/**/migrations"))]
    wanted = [word for folder in folders for word in (str(folder), f"sqlite:///{tmp_path}/{folder.name}.db")]
    command = [*command_of(layout.MIGRATIONS), *wanted]

    subprocess.run(command, env=environment_of(layout.MIGRATIONS, tree), cwd=tree / "app", check=True)

    assert len(folders) > len(function_folders()) / 2
    for folder in folders:
        with closing(sqlite3.connect(tmp_path / f"{folder.name}.db")) as database:
            assert database.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,), folder


def test_an_image_has_what_its_folder_needs_and_no_more(trees: dict[str, Path]) -> None:
    sending = {folder for folder, tree in trees.items() if (tree / "app/site-packages/urllib3").exists()}
    assert sending == set(function_folders())  # the exporter of traces, which is loaded on request, brings it to all
    for tree in trees.values():
        for left_out in ("alembic", "pip", "bin"):
            assert not (tree / "app" / "site-packages" / left_out).exists()
        assert not list(tree.rglob("migration*"))


def test_the_bytecode_of_an_image_is_there_and_is_never_checked(trees: dict[str, Path]) -> None:
    app = trees["reserve"] / "app"
    sources = [path for path in app.rglob("*.py") if "-" not in path.parent.name]
    compiled = list(app.rglob("*.pyc"))
    assert {path.parent.parent / f"{path.name.partition('.')[0]}.py" for path in compiled} >= set(sources)
    for path in compiled:
        assert path.read_bytes()[4:8] == b"\x01\0\0\0", path  # PEP 552: hash-based, unchecked


def test_an_image_is_the_same_wherever_it_is_laid_out(trees: dict[str, Path], tmp_path: Path) -> None:
    layout.code("reserve", tmp_path)
    for room in ("airline", "choreography", "function"):
        made, again = (_contents(root / "app" / room) for root in (trees["reserve"], tmp_path))
        assert made == again


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL must be one of"),
        ({"DATABASE_URL": "postgres://a:hunter2@b/c"}, "DATABASE_URL must"),
    ],
)
def test_a_wrong_setting_ends_the_start(
    trees: dict[str, Path], tmp_path: Path, setting: dict[str, str], said: str
) -> None:
    with started(trees["flight-seats"], "flight-seats", tmp_path, FUNCTION_TARGET="flight_seats", **setting) as (
        process,
        _,
    ):
        assert process.wait(60) == 1
    errors = (tmp_path / "errors").read_text()
    assert said in errors
    assert "hunter2" not in errors


def installed(lay: Callable[[], Made]) -> Made:
    """What `lay` makes. Without a network the tests of it are skipped, but not where a whole run decides."""
    try:
        return lay()
    except subprocess.CalledProcessError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("the packages of the images could not be installed; is there a network?")


def _times(trees: dict[str, Path]) -> dict[Path, float]:
    return {path: path.stat().st_mtime for tree in trees.values() for path in tree.rglob("*")}


def _contents(folder: Path) -> dict[str, tuple[bytes, int, float]]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime) for path in found
    }
