"""Bills of materials: valid CycloneDX, complete against lock files, the page's libraries and base images."""

import json
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from sbom import bills, components, locks
from sbom.__main__ import text_of, write
from sbom.bills import bill_of
from sbom.errors import AnotherVersion, NotInstalled, NotPinned
from testbed.project import ROOT, function_folders

PYTHON = [*function_folders(), "migrations", "laptop"]
ALL = [*PYTHON, "gateway"]
IMAGES = [*function_folders(), "migrations", "gateway"]
LISTS = {"migrations": "requirements/migrations.txt", "laptop": "requirements/laptop.txt"}
PINNED = re.compile(r"^([\w.-]+)==(\S+)(?: ; (.+?))? \\$", re.MULTILINE)
VENDOR = ROOT / "gateway" / "vendor"
PAGE = ROOT / "gateway" / "web" / "vendor"


@cache
def bill(name: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(text_of(bill_of(name, "7")))
    return made


def listed(name: str, kind: str) -> dict[str, dict[str, Any]]:
    """By name and version, the components whose package URL is of that kind."""
    found = {part["purl"]: part for part in bill(name)["components"] if part["purl"].startswith(f"pkg:{kind}/")}
    return {purl.removeprefix(f"pkg:{kind}/"): part for purl, part in found.items()}


def lines_of(name: str) -> Iterator[tuple[str, str]]:
    """Package and text up to the next one, of all that a list locks for Linux, read without the parser under test."""
    text = (ROOT / LISTS.get(name, f"functions/{name}/requirements.txt")).read_text("utf-8")
    if included := re.fullmatch(r"-r \.\./\.\./(\S+)\s*", text):
        text = (ROOT / included[1]).read_text("utf-8")
    found = list(PINNED.finditer(text))
    for match, after in zip(found, [*found[1:], None], strict=True):
        if "win32" not in (match[3] or "").replace("!= 'win32'", ""):
            yield f"{match[1]}@{match[2]}", text[match.start() : after.start() if after else None]


@pytest.mark.parametrize("name", PYTHON)
def test_a_bill_lists_what_is_locked_and_nothing_else(name: str) -> None:
    wanted = dict(lines_of(name))

    assert len(wanted) > 5
    assert set(listed(name, "pypi")) == set(wanted)


@pytest.mark.parametrize("name", PYTHON)
def test_every_file_that_pip_would_accept_is_in_the_bill(name: str) -> None:
    for package, text in lines_of(name):
        files = listed(name, "pypi")[package]["externalReferences"]
        assert sorted(one["hashes"][0]["content"] for one in files) == sorted(re.findall(r"sha256:(\w{64})", text)), (
            package
        )


@pytest.mark.parametrize("name", ALL)
def test_everything_in_a_bill_has_a_licence_but_a_base_image_which_has_many(name: str) -> None:
    unknown = {part["name"] for part in bill(name)["components"] if not part.get("licenses")}

    assert unknown <= {"python", "caddy"}
    assert bill(name)["metadata"]["component"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")


def needs(name: str) -> dict[str, set[str]]:
    """Who needs whom, by name; the versions are left out."""
    plain = {one["bom-ref"]: one["name"] for one in bill(name)["components"]} | {f"airline/{name}": "us"}
    return {plain[one["ref"]]: {plain[ref] for ref in one.get("dependsOn", ())} for one in bill(name)["dependencies"]}


@pytest.mark.parametrize("name", ALL)
def test_a_bill_says_who_needs_each_part_and_everything_is_needed_for_our_sake(name: str) -> None:
    graph = needs(name)
    reached, left = set[str](), ["us"]
    while left:
        one = left.pop()
        left += graph[one] - reached
        reached |= graph[one]

    assert reached == {one["name"] for one in bill(name)["components"]} == graph.keys() - {"us"}
    assert graph["us"] < reached


def test_we_need_what_our_lists_name_and_the_rest_is_needed_by_what_its_makers_say() -> None:
    graph = needs("reserve")
    asked = (ROOT / "requirements" / name for name in ("functions.in", "databases.in"))
    wanted = {found for file in asked for found in re.findall(r"^([\w.-]+)(?:[=\[]|$)", file.read_text("utf-8"), re.M)}

    assert graph["us"] == {one.lower() for one in wanted} | {"python"}
    assert {"blinker", "click", "jinja2", "werkzeug"} <= graph["flask"]
    assert "cryptography" in graph["pyjwt"]
    assert "flask" in graph["functions-framework"]
    assert needs("gateway")["lit"] == {"lit-html", "lit-element", "reactive-element"}


@pytest.mark.parametrize("name", ["migrations", "gateway"])
def test_a_bill_is_cyclonedx(name: str) -> None:
    text = text_of(bill_of(name, "7"))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_same_files_make_the_same_bill() -> None:
    assert text_of(bill_of("gateway", "7")) == text_of(bill_of("gateway", "7"))
    assert bill("gateway")["serialNumber"] != json.loads(text_of(bill_of("gateway", "8")))["serialNumber"]
    assert "timestamp" not in bill("gateway")["metadata"]


@pytest.mark.parametrize(("name", "dockerfile"), [("reserve", "Dockerfile"), ("gateway", "gateway/Dockerfile")])
def test_an_image_names_the_image_that_it_is_made_from_by_digest(name: str, dockerfile: str) -> None:
    (base,) = re.findall(r"^ARG \w+_IMAGE=(\S+)$", (ROOT / dockerfile).read_text("utf-8"), re.MULTILINE)
    (found,) = listed(name, "docker").values()

    assert f"{found['name']}:{found['version']}@sha256:{found['hashes'][0]['content']}" == base


@pytest.mark.parametrize("name", ["gateway", "laptop"])
def test_the_libraries_of_the_page_are_in_the_bills_of_whatever_serves_the_page(name: str) -> None:
    shipped = {place for part in listed(name, "npm").values() for place in places(part)}
    scripts = {str(path.relative_to(ROOT)) for path in PAGE.glob("*.js")}

    assert shipped == scripts
    assert {"lit-html", "swagger-ui-dist"} <= {part["name"] for part in listed(name, "npm").values() if places(part)}


def places(part: dict[str, Any]) -> list[str]:
    return [one["location"] for one in part.get("evidence", {}).get("occurrences", [])]


def test_every_package_that_the_page_is_built_with_is_listed_and_shipped_or_excluded() -> None:
    packages = json.loads((VENDOR / "package-lock.json").read_text("utf-8"))["packages"]
    wanted = {path.removeprefix("node_modules/") for path, entry in packages.items() if path and not entry.get("os")}
    found = listed("gateway", "npm").values()

    assert {"/".join(filter(None, (part.get("group"), part["name"]))) for part in found} == wanted
    assert all((part["scope"] == "required") == bool(places(part)) for part in found)


def test_what_is_said_to_be_in_a_bundle_is_what_its_build_took_and_the_bundle_is_of_that_build() -> None:
    # `npm run build` writes both; the size tells a bundle that was built again without its list
    for metafile in VENDOR.glob("*.meta.json"):
        ((_, output),) = json.loads(metafile.read_text("utf-8"))["outputs"].items()
        assert output["bytes"] == (PAGE / f"{metafile.name.removesuffix('.meta.json')}.js").stat().st_size
    assert {f"{path.name.removesuffix('.meta.json')}.js" for path in VENDOR.glob("*.meta.json")} == {
        path.name for path in PAGE.glob("*.js")
    }


@pytest.mark.parametrize(("name", "bundle"), [("lit-html", "lit.js"), ("swagger-ui-dist", "swagger-ui.js")])
def test_the_version_in_the_bill_is_the_one_in_the_bundle(name: str, bundle: str) -> None:
    (version,) = {part["version"] for part in listed("gateway", "npm").values() if part["name"] == name}

    assert f'"{version}"' in (PAGE / bundle).read_text("utf-8")


def test_every_library_of_the_page_comes_with_its_licence() -> None:
    assert {path.stem for path in PAGE.glob("*.js")} == {path.stem for path in PAGE.glob("*.LICENSE")}


def test_a_line_that_allows_several_versions_or_files_is_refused(tmp_path: Path) -> None:
    for line in ("flask>=3\n", "flask==3.1.3\n", "flask\n"):
        (tmp_path / "loose.txt").write_text(line)
        with pytest.raises(NotPinned, match="make lock"):
            list(locks.locked(tmp_path / "loose.txt", {}))


def test_a_package_of_another_machine_is_left_out(tmp_path: Path) -> None:
    digest = "sha256:" + "7" * 64
    (tmp_path / "some.txt").write_text(
        f"tzdata==1 ; sys_platform == 'win32' --hash={digest}\nidna==1 --hash={digest}\n"
    )
    there = dict(bills.in_image("python:3.11-slim@sha256:7"))

    assert [one.name for one in locks.locked(tmp_path / "some.txt", there)] == ["idna"]


def test_a_licence_is_not_guessed_from_another_version() -> None:
    with pytest.raises(AnotherVersion, match=r"flask is locked at 0\.1 but installed at"):
        components.python_package("flask", "0.1", [])
    with pytest.raises(NotInstalled, match="no-such-package is locked but not installed"):
        components.python_package("no-such-package", "1", [])


def test_nothing_is_written_where_one_bill_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bills, "locked", lambda *_: [locks.Locked("flask", "0.1", ())])
    with pytest.raises(AnotherVersion):
        write(tmp_path / "bills", "7", ["gateway", "reserve"])
    assert not (tmp_path / "bills").exists()


@pytest.mark.parametrize("image", ["python:3.11", "python@sha256:" + "7" * 64, "python:3@sha256:77"])
def test_a_base_image_without_a_tag_and_a_digest_is_refused(image: str) -> None:
    with pytest.raises(ValueError, match="is not NAME:TAG@sha256:DIGEST"):
        components.base_image(image)


def test_make_writes_a_bill_for_every_image_and_the_laptop() -> None:
    make = ["make", "-n", "sbom", "TAG=7"]
    said = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert re.search(r"-m sbom \.sbom \"7\" (.*)$", said, re.MULTILINE)[1].split() == [*IMAGES, "laptop"]  # type: ignore[index]


def test_the_program_says_what_to_do_instead_of_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bills, "locked", lambda *_: [locks.Locked("flask", "0.1", ())])
    monkeypatch.setattr(sys, "argv", ["sbom", str(tmp_path), "7", "reserve"])

    with pytest.raises(SystemExit, match="Run `make sbom`"):
        runpy.run_path(str(ROOT / "sbom" / "__main__.py"), run_name="__main__")
    assert not list(tmp_path.iterdir())
