"""Every file that is made from the code: python -m contracts [--check | --release]

--check writes nothing and names the files that are old; --release records the schemas and OpenAPI documents of
now as the last release, which tests/unit/test_compatibility.py and test_openapi_compatibility.py hold later ones to.
"""

import shutil
import sys
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from contracts import asyncapi, compatibility, diagram, event_types, events, openapi, openapi_compatibility, page

ROOT = Path(__file__).resolve().parent.parent


def made() -> Mapping[Path, str]:
    """By file, relative to the project, what it has to say."""
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
    """The files that do not say what the code says."""
    return [str(path) for path, _ in _old(root)]


def write(root: Path = ROOT) -> list[str]:
    """Writes the old ones and returns their names."""
    changed = _old(root)
    for path, text in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return [str(path) for path, _ in changed]


def release(root: Path = ROOT) -> None:
    """Makes the schemas and OpenAPI documents of now those of the last release."""
    folder = root / compatibility.RELEASED
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / events.FOLDER, folder)
    for path, text in openapi.made(root):
        (root / openapi_compatibility.RELEASED / path.name).write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """0, or 1 where a file is old and --check was asked for."""
    if "--check" not in arguments:
        for path in write():
            sys.stdout.write(f"{path}\n")
        if "--release" in arguments:
            release()
        return 0
    for path in (found := old()):
        sys.stderr.write(f"{path} is not what the code says: run `make contracts` and commit it\n")
    return int(bool(found))


def _old(root: Path) -> list[tuple[Path, str]]:
    """The files that do not say what the code says, each with the text that does."""
    return [(path, text) for path, text in made().items() if _read(root / path) != text]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
