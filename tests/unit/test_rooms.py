"""What each room imports is what CONTRIBUTING.md says it may."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from testbed.project import ROOT, folder_of, function_folders, functions

HEADINGS = ("room", "what is in it", "may import", "must not know")
IN_FUNCTIONS = "functions.<folder>"
SAMPLES = ("example", "examples")
"""Keywords and keys of what OpenAPI documents show."""


@cache
def allowed() -> dict[str, frozenset[str]]:
    """By room, the packages and modules of this project that it may import, from the table in CONTRIBUTING.md."""
    lines = (ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if _cells(line) == HEADINGS)
    table = [_cells(line) for line in lines[start + 2 : lines.index("", start)]]
    return {
        _module(room): frozenset(_module(name) for name in re.findall(r"`([^`]+)`", imports))
        for rooms, _, imports, _ in table
        for room in re.findall(r"`([\w./<>-]+/)`", rooms)
        if imports and not imports.startswith("anything")
    }


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip("|").split("|"))


def _module(name: str) -> str:
    return name.removesuffix(".py").rstrip("/").replace("/", ".")


@cache
def sources() -> tuple[Path, ...]:
    """Every Python file of the project, relative to it."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return tuple(Path(name) for name in listed if (ROOT / name).exists())


def room_of(path: Path) -> str | None:
    """The room of the table that a file is in, the innermost; the folders of functions are one kind of room."""
    if path.parts[0] == "functions":
        return IN_FUNCTIONS
    rooms = [room for room in allowed() if path.parts[: room.count(".") + 1] == tuple(room.split("."))]
    return max(rooms, key=len, default=None)


@cache
def ours() -> frozenset[str]:
    """The top-level packages of this project, and the modules of all folders of functions."""
    tops = {path.parts[0] for path in sources()}
    return frozenset(tops | {path.stem for path in (ROOT / "functions").glob("*/*")})


@cache
def imports(path: Path) -> frozenset[str]:
    """What a file imports anywhere in it, in full: `from laptop import state` is laptop.state."""
    return frozenset(_imports(ast.parse((ROOT / path).read_text("utf-8"))))


def _imports(tree: ast.AST) -> Iterator[str]:
    # no expression has an import in it, and most of a tree is expressions
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not isinstance(node, ast.expr):
            yield from _imports(node)


def permitted(path: Path, room: str) -> frozenset[str]:
    """What a file of a room may import of this project: its own room, and what the table says."""
    if room != IN_FUNCTIONS:
        return allowed()[room] | {room}
    return allowed()[room] | _modules(path.parts[1])


@cache
def _modules(folder: str) -> frozenset[str]:
    return frozenset(path.stem for path in (ROOT / "functions" / folder).glob("*"))


def breaches(path: Path, room: str) -> set[str]:
    """What a file of this room imports of the project and may not."""
    here = permitted(path, room)
    return {
        name
        for name in imports(path)
        if name.partition(".")[0] in ours() and not any(f"{name}.".startswith(f"{place}.") for place in here)
    }


@pytest.mark.parametrize("room", allowed())
def test_a_room_imports_only_what_it_may(room: str) -> None:
    found = {str(path): breaches(path, room) for path in sources() if room_of(path) == room}

    assert found, "the table says what a room without Python may import"
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(("room", "other"), [("tests", "benchmarks"), ("benchmarks", "tests"), ("testbed", "tests")])
def test_tests_and_benchmarks_share_a_room_and_know_nothing_of_each_other(room: str, other: str) -> None:
    found = {str(path): set(imports(path)) for path in sources() if path.parts[0] == room}

    assert found
    assert {path for path, names in found.items() if any(f"{name}.".startswith(f"{other}.") for name in names)} == set()


@pytest.mark.parametrize(
    ("path", "room", "breach"),
    [
        ("cli/here.py", "choreography", "client.gateway"),
        ("functions/reserve/main.py", "airline", "reservations_api"),
        ("functions/reserve/main.py", "laptop", "choreography.policy"),
        ("laptop/status.py", "demos", "laptop.errors.LaptopError"),
    ],
)
def test_what_a_room_may_not_import_is_found(path: str, room: str, breach: str) -> None:
    assert breach in breaches(Path(path), room)


def test_a_folder_of_functions_may_import_its_own_modules_and_none_of_another_folder() -> None:
    here = permitted(Path("functions/reserve/main.py"), IN_FUNCTIONS)

    assert "reservations" in here
    assert "payments" in ours() - here


def test_every_room_with_python_is_in_the_table() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rooms = {path.parts[0] for path in sources() if len(path.parts) > 1}

    assert {room for room in rooms if f"`{room}/" not in table} == set()


BARE = [path for path in sources() if path.parts[0] in {"knative", "images"}] + [
    Path("laptop/data_folder.py"),
    Path("laptop/systems.py"),
]


@pytest.mark.parametrize("path", BARE, ids=str)
def test_what_runs_without_an_environment_needs_no_packages(path: Path) -> None:
    # a deploy job has none, an image is laid out before it has any, and `make clean` works without one
    tops = {name.partition(".")[0] for name in imports(path)}

    assert tops <= sys.stdlib_module_names | {"images", "laptop"}


def spoken(path: Path) -> set[str]:
    """The texts in a file, without the samples of an OpenAPI document."""
    tree = ast.parse(path.read_text("utf-8"))
    samples = {id(text) for node in ast.walk(tree) for sample in _samples(node) for text in ast.walk(sample)}
    return {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in samples}


def _samples(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.keyword) and node.arg in SAMPLES:
        return [node.value]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return [value for key, value in pairs if isinstance(key, ast.Constant) and key.value in SAMPLES]
    return []


@pytest.mark.parametrize("folder", function_folders())
def test_a_folder_of_functions_names_no_service_of_another_folder(folder: str) -> None:
    # who comes next is for airline/saga.py to say, and who delivers to whom for the Triggers
    others = {name for name, service in functions().items() if folder_of(service) != folder}
    found = {path.name: spoken(path) & others for path in (ROOT / "functions" / folder).rglob("*.py")}

    assert others
    assert {name: services for name, services in found.items() if services} == {}
