"""What the lock files say: exactly these versions, exactly these files, and who needs them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pip_requirements_parser import RequirementsFile

from sbom.errors import NotPinned

PACKAGES = "node_modules/"
OURS = ""
"""Who needs what we ask for ourselves, in a list of ours or in package.json."""
_NEEDED_BY = re.compile(r"#\s+(?:via\s+)?(?P<who>-r|[\w.-]+)(?:\[.*?\])?(?:\s.*)?")
"""A line of those that pip-compile writes below a package; the one with `-c` only bounds a version, it names nobody."""


@dataclass(frozen=True)
class Locked:
    """One package of a requirements file; `hashes` are `sha256:` and hexadecimal digits.

    `needed_by` are the packages, and OURS, for whose sake it is there.
    """

    name: str
    version: str
    hashes: tuple[str, ...]
    needed_by: frozenset[str] = frozenset()


@dataclass(frozen=True)
class NpmLocked:
    """One package of package-lock.json; `shipped_in` are the bundles with code of it, none if only the build has.

    `needed_by` as for Locked.
    """

    name: str
    version: str
    licence: str
    integrity: str
    shipped_in: tuple[str, ...]
    needed_by: frozenset[str]


def locked(file: Path, environment: Mapping[str, str]) -> Iterator[Locked]:
    """The packages that pip would install there; `environment` has the variables of PEP 508 markers.

    Raises NotPinned.
    """
    found = RequirementsFile.from_file(str(file), include_nested=True)
    needed_by = _needed_by(found)
    for one in found.requirements:
        if one.marker and not one.marker.evaluate(dict(environment)):
            continue
        version = one.get_pinned_version
        if not version or not one.hash_options:
            raise NotPinned(str(one.requirement_line.line))
        yield Locked(str(one.name), str(version), tuple(one.hash_options), needed_by[str(one.name)])


def npm_locked(vendor: Path) -> Iterator[NpmLocked]:
    """The packages that the page's libraries are made from; packages for other machines (`os`, `cpu`) are left out.

    esbuild writes what is in each bundle beside package.json, as NAME.meta.json.
    """
    bundles = {path.name.removesuffix(".meta.json"): inputs(path) for path in sorted(vendor.glob("*.meta.json"))}
    entries: dict[str, Any] = json.loads((vendor / "package-lock.json").read_text("utf-8"))["packages"]
    needs = {place.removeprefix(PACKAGES): _needs(entry) for place, entry in entries.items()}  # OURS: the root's place
    for place, entry in entries.items():
        if place.startswith(PACKAGES) and not entry.get("os"):
            name = place.removeprefix(PACKAGES)
            shipped_in = tuple(f"{bundle}.js" for bundle, names in bundles.items() if name in names)
            needed_by = frozenset(who for who, needed in needs.items() if name in needed)
            yield NpmLocked(name, entry["version"], entry["license"], entry["integrity"], shipped_in, needed_by)


def inputs(metafile: Path) -> set[str]:
    """The npm packages whose files esbuild took into a bundle."""
    paths = json.loads(metafile.read_text("utf-8"))["inputs"]
    return {_package(path.removeprefix(PACKAGES)) for path in paths if path.startswith(PACKAGES)}


def _package(path: str) -> str:
    """lit/html.js is of lit, @lit/task/task.js of @lit/task."""
    return "/".join(path.split("/")[: 2 if path.startswith("@") else 1])


def _needs(entry: dict[str, Any]) -> set[str]:
    return set().union(*(entry.get(f"{kind}ependencies", {}) for kind in ("d", "devD", "optionalD", "peerD")))


def _needed_by(found: RequirementsFile) -> dict[str, frozenset[str]]:
    """By package, who the lines below it name."""
    lines = [(one.requirement_line, str(one.name)) for one in found.requirements]
    lines += [(comment, "") for comment in found.comments]
    of: dict[str, set[str]] = {name: set() for _, name in lines if name}
    package = ""
    for line, name in sorted(lines, key=lambda one: (one[0].filename, one[0].line_number)):
        package = name or package
        who = None if name else _NEEDED_BY.fullmatch(line.line.strip())
        if who and who["who"] not in ("-c", "via"):
            of[package].add(OURS if who["who"] == "-r" else who["who"])
    return {name: frozenset(who) for name, who in of.items()}
