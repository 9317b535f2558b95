"""Lays the project out as pages for the documentation site: python -m docs.site FOLDER, which `make docs` builds.

Every Markdown file of the project is a page where it is, so a link between two of them is the same on the site. A file
or folder that a page links to becomes a page too: the file as highlighted code, the folder as a list of its files;
a picture stays one.
The builder (Zensical, --strict) then checks each link and each anchor.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
CONFIGURATION = Path(__file__).with_name("zensical.toml")
LARGEST = 100_000
"""Bytes; a longer file is data that nobody reads on a page."""
LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".json": "json", ".sql": "sql"}
PICTURES = {".png"}
HIDDEN = re.compile(r"[._].*|.*\.pyc|node_modules")
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!`)\]\(([^)\s]+)\)")


def lay_out(project: Path, folder: Path) -> None:
    """Writes the pages below `folder`/pages and the builder's configuration next to them; replaces what was there.

    Raises FileNotFoundError for a link to a file that does not exist.
    """
    pages = folder / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    wanted = [page.relative_to(project) for page in _pages(project)]
    seen: set[Path] = set()
    while wanted:
        path = wanted.pop()
        if path in seen:
            continue
        seen.add(path)
        if path.suffix in PICTURES:
            (pages / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(project / path, pages / path)
        else:
            target, text, linked = _page(project, path)
            (pages / target).parent.mkdir(parents=True, exist_ok=True)
            (pages / target).write_text(text, encoding="utf-8")
            wanted += linked
    shutil.copyfile(CONFIGURATION, folder / CONFIGURATION.name)


def _pages(project: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(project):
        folders[:] = [name for name in folders if not HIDDEN.fullmatch(name)]
        yield from (Path(place, name) for name in files if name.endswith(".md"))


def _page(project: Path, path: Path) -> tuple[Path, str, list[Path]]:
    """Where the page of `path` goes, its text, and the files and folders that it links to."""
    source = project / path
    if source.is_dir():
        return _target(path / "index.md"), *_listing(source, path)
    text = source.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return path, *_linked(project, path, text)
    return _target(path), _code(path, text), []


def _linked(project: Path, page: Path, text: str) -> tuple[str, list[Path]]:
    """The text with its links led to the pages of what they name; code keeps its letters."""
    linked: list[Path] = []

    def led(match: re.Match[str]) -> str:
        target, hash_, anchor = match[1].partition("#")
        path = Path(os.path.normpath(page.parent / target))
        if not target or "://" in target or target.startswith("mailto:") or path.suffix == ".md":
            return match[0]
        if not (project / path).exists():
            raise FileNotFoundError(f"{page} links to {target}, which does not exist")
        if path.suffix in PICTURES:
            linked.append(path)
        if not _readable(project / path):
            return match[0]
        linked.append(path)
        shown = _target(Path(target) / "index.md" if (project / path).is_dir() else Path(target))
        return f"]({shown}{hash_}{anchor})"

    parts, end = [], 0
    for fence in FENCED.finditer(text):
        parts += [LINK.sub(led, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, LINK.sub(led, text[end:])]), linked


def _listing(folder: Path, path: Path) -> tuple[str, list[Path]]:
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and _readable(file)]
    lines = [f"- [{file.name}]({_target(Path(file.name))})" for file in files]
    return "\n".join([f"# {path}", "", *lines, ""]), [path / file.name for file in files]


def _target(path: Path) -> Path:
    """The page of a file. The builder reads no folder whose name begins with a dot."""
    shown = Path(*(part.lstrip(".") if part != ".." else part for part in path.parts))
    return shown if shown.suffix == ".md" else shown.with_name(f"{shown.name}.md")


def _readable(path: Path) -> bool:
    if path.is_dir() or HIDDEN.fullmatch(path.name):
        return path.is_dir()
    content = path.read_bytes()
    try:
        return len(content) <= LARGEST and bool(content.decode()) and "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def _code(path: Path, text: str) -> str:
    # a fence longer than any in the text
    fence = "`" * max([3, *(len(found) + 1 for found in re.findall(r"`{3,}", text))])
    language = LANGUAGES.get(path.suffix, "sh" if text.startswith("#!") else "text")
    return f"# {path}\n\n{fence}{language}\n{text.rstrip()}\n{fence}\n"


if __name__ == "__main__":
    lay_out(PROJECT, Path(sys.argv[1]))
