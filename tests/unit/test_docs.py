"""What the pages ask a reader to type and to open exists."""

import re
from functools import cache
from pathlib import Path

import pytest
import typer

from cli.app import app
from testbed.project import ROOT

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("*/README.md"),
        *ROOT.glob("tests/*/README.md"),
    ]
)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
FAULTS = ROOT / "docs" / "faults.md"
TOLD_TO_MAKE = ("Makefile", "knative/render", "knative/deploy", "knative/undeploy", "tests/cluster/README.md")


IN_KOREAN = {"README.ko.md": "README.md"} | {
    f"docs/ko/{page.name}": f"docs/{page.name}" for page in ROOT.glob("docs/ko/*.md")
}


def numbers_in(page: str) -> set[str]:
    """Its numbers, without those in the addresses of links and in names."""
    text = re.sub(r"\]\([^)]*\)", "", (ROOT / page).read_text("utf-8"))
    return set(re.findall(r"(?<![\w.])(?:\d[\d,.]*\d|\d(?!\w*[a-z]))", text))


def pins_in(file: Path) -> set[str]:
    """The names of its tests; empty if there is no such file."""
    return set(re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE)) if file.exists() else set()


@cache
def typed(page: Path) -> str:
    """Its code: blocks, indented lines, and text in backticks; without the comments of a shell."""
    text = page.read_text()
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^    \S.*$", text, re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return "\n".join(line.split("  #")[0] for line in "\n".join([*blocks, *indented, *spans]).splitlines())


@each_page
def test_every_target_that_a_page_names_is_in_the_makefile(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"\bmake ([a-z][a-z-]+)", typed(page))) <= targets


@each_page
def test_every_overlay_and_component_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"\bOVERLAY=([a-z-]+)", typed(page))

    assert set(named) <= {folder.name for folder in (ROOT / "knative" / "overlays").iterdir()}


@each_page
def test_every_setting_that_is_given_to_make_is_read_somewhere(page: Path) -> None:
    given = set(re.findall(r"\b([A-Z_]+)=", "\n".join(re.findall(r"\bmake .*", typed(page)))))
    known = "\n".join((ROOT / file).read_text() for file in TOLD_TO_MAKE)

    assert given <= set(re.findall(r"\b[A-Z_]+\b", known))


@each_page
def test_every_link_inside_the_project_leads_somewhere(page: Path) -> None:
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text())]
    inside = [link for link in links if link and "://" not in link]

    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_every_test_that_pins_a_fault_exists() -> None:
    named = re.findall(r"\]\(\.\./(tests/[^)\s]+\.py)\)::(\w+)", FAULTS.read_text())

    assert named
    assert [f"{file}::{name}" for file, name in named if name not in pins_in(ROOT / file)] == []


def test_every_fault_has_a_test_or_says_why_not() -> None:
    rows = re.findall(r"^\| (?!before |---)(.*) \|$", FAULTS.read_text(), re.MULTILINE)

    assert rows
    assert [row for row in rows if not re.search(r"\)::test_|not pinned: |documentation: \[", row)] == []


@cache
def commands() -> set[str]:
    """Of bin/airline."""
    return set(getattr(typer.main.get_command(app), "commands", {}))


@each_page
def test_every_command_of_the_operators_desk_exists(page: Path) -> None:
    known = commands()

    assert known
    assert set(re.findall(r"\bbin/airline ([a-z][a-z-]+)", typed(page))) <= known


@pytest.mark.parametrize("page", IN_KOREAN)
def test_a_page_in_korean_has_no_number_that_the_page_in_english_has_not(page: str) -> None:
    assert numbers_in(page)
    assert numbers_in(page) - numbers_in(IN_KOREAN[page]) == set()


@pytest.mark.parametrize("page", ["README.md", "docs/one-order.md"])
def test_a_page_that_is_complete_in_korean_has_the_same_numbers_there(page: str) -> None:
    (in_korean,) = [korean for korean, english in IN_KOREAN.items() if english == page]

    assert numbers_in(in_korean) == numbers_in(page)


def test_one_order_names_the_same_steps_in_korean() -> None:
    def code_in(page: str) -> set[str]:
        return set(re.findall(r"`([^`\n]+)`", (ROOT / page).read_text("utf-8")))

    assert code_in("docs/ko/one-order.md") == code_in("docs/one-order.md")
