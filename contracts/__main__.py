"""Every file that is made from the code: python -m contracts [--check | --release]

--check writes nothing and names the outdated files; --release records the current schemas and OpenAPI documents as the
last release, with which tests/unit/test_compatibility.py and test_openapi_compatibility.py compare later ones.
"""

import shutil
import sys
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from contracts import asyncapi, compatibility, diagram, event_types, events, openapi, openapi_compatibility, page

ROOT = Path(__file__).resolve().parent.parent


def made() -> Mapping[Path, str]:
    """By file, relative to the project, its text."""
    parts = (
        events.made(),
        event_types.made(),
        asyncapi.made(),
        diagram.made(ROOT),
        openapi.made(ROOT),
        page.made(ROOT),
    )
    return dict(chain(*parts))


def old(root: Path = ROOT) -> list[str]:
    """The files that differ from the code."""
    return [str(path) for path, _ in _old(root)]


def write(root: Path = ROOT) -> list[str]:
    """Writes the outdated ones and returns their names."""
    changed = _old(root)
    for path, text in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return [str(path) for path, _ in changed]


def release(root: Path = ROOT) -> None:
    """Records the current schemas and OpenAPI documents as those of the last release, and only them."""
    schemas, documents = root / compatibility.RELEASED, root / openapi_compatibility.RELEASED
    shutil.rmtree(schemas, ignore_errors=True)
    shutil.copytree(root / events.FOLDER, schemas)
    shutil.rmtree(documents, ignore_errors=True)
    documents.mkdir(parents=True)
    for path, text in openapi.made(root):
        (documents / path.name).write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """0, or 1 if a file is outdated and --check was given."""
    if "--check" not in arguments:
        for path in write():
            sys.stdout.write(f"{path}\n")
        if "--release" in arguments:
            release()
        return 0
    for path in (found := old()):
        sys.stderr.write(f"{path} differs from the code: run `make contracts` and commit it\n")
    return int(bool(found))


def _old(root: Path) -> list[tuple[Path, str]]:
    """The files that differ from the code, each with its new text."""
    return [(path, text) for path, text in made().items() if _read(root / path) != text]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
