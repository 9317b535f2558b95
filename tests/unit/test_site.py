"""The documentation site: each page, each file that a page links to, and no link that leads nowhere.

`tests/integration/test_site.py` builds it.
"""

import re
from pathlib import Path

import pytest

from docs.site import lay_out


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "README.md").write_text("# Airline\n[rules](functions/seats.py) [deploy](docs/deploy.md)\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "deploy.md").write_text("[back](../README.md#airline) [all rules](../functions)\n")
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "seats.py").write_text('"""```"""\nSEATS = 5\n')
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "notes.md").write_text("[gone](gone.md)")
    return tmp_path


def laid_out(project: Path) -> dict[str, str]:
    lay_out(project, project / ".site")
    pages = project / ".site" / "pages"
    return {str(page.relative_to(pages)): page.read_text() for page in pages.rglob("*") if page.is_file()}


def test_each_page_of_the_project_is_a_page_of_the_site(project: Path) -> None:
    pages = laid_out(project)

    assert {"README.md", "docs/deploy.md"} <= pages.keys()
    assert "[back](../README.md#airline)" in pages["docs/deploy.md"]
    assert not [page for page in pages if "notes" in page]


def test_a_file_that_a_page_links_to_is_shown_as_code(project: Path) -> None:
    pages = laid_out(project)

    assert "[rules](functions/seats.py.md)" in pages["README.md"]
    assert pages["functions/seats.py.md"] == '# functions/seats.py\n\n````python\n"""```"""\nSEATS = 5\n````\n'


def test_a_folder_that_a_page_links_to_is_shown_as_a_list_of_its_files(project: Path) -> None:
    pages = laid_out(project)

    assert "[all rules](../functions/index.md)" in pages["docs/deploy.md"]
    assert "- [seats.py](seats.py.md)" in pages["functions/index.md"]


def test_a_picture_that_a_page_shows_is_there(project: Path) -> None:
    picture = b"\x89PNG\r\n\x1a\n\0"
    (project / "docs" / "search.png").write_bytes(picture)
    (project / "README.md").write_text("![Search](docs/search.png)\n")

    lay_out(project, project / ".site")

    assert (project / ".site" / "pages" / "docs" / "search.png").read_bytes() == picture
    assert "![Search](docs/search.png)" in (project / ".site" / "pages" / "README.md").read_text()


def test_a_link_inside_of_code_is_left_alone(project: Path) -> None:
    (project / "docs" / "deploy.md").write_text("```\n[a](b.py)\n```\n")

    assert laid_out(project)["docs/deploy.md"] == "```\n[a](b.py)\n```\n"


def test_a_link_to_a_file_that_does_not_exist_names_page_and_link(project: Path) -> None:
    (project / "docs" / "deploy.md").write_text("[a](b.py)")

    with pytest.raises(FileNotFoundError, match=re.escape("docs/deploy.md links to b.py, which does not exist")):
        lay_out(project, project / ".site")


def test_a_page_that_was_removed_leaves_the_site(project: Path) -> None:
    laid_out(project)
    (project / "docs" / "deploy.md").unlink()
    (project / "README.md").write_text("# Airline\n")

    assert laid_out(project).keys() == {"README.md"}
