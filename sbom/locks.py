"""What the lock files say: exactly these versions, and exactly these files."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pip_requirements_parser import RequirementsFile

from sbom.errors import NotPinned

PACKAGES = "node_modules/"


@dataclass(frozen=True)
class Locked:
    """One package of a requirements file; `hashes` are `sha256:` and hexadecimal digits."""

    name: str
    version: str
    hashes: tuple[str, ...]


@dataclass(frozen=True)
class NpmLocked:
    """One package of package-lock.json; `shipped_in` are the bundles with code of it, none if only the build has."""

    name: str
    version: str
    licence: str
    integrity: str
    shipped_in: tuple[str, ...]


def locked(file: Path, environment: Mapping[str, str]) -> Iterator[Locked]:
    """The packages that pip would install there; `environment` has the variables of PEP 508 markers.

    Raises NotPinned.
    """
    for one in RequirementsFile.from_file(str(file), include_nested=True).requirements:
        if one.marker and not one.marker.evaluate(dict(environment)):
            continue
        version = one.get_pinned_version
        if not version or not one.hash_options:
            raise NotPinned(str(one.requirement_line.line))
        yield Locked(str(one.name), str(version), tuple(one.hash_options))


def npm_locked(vendor: Path) -> Iterator[NpmLocked]:
    """The packages that the page's libraries are made from; packages for other machines (`os`, `cpu`) are left out.

    esbuild writes what is in each bundle beside package.json, as NAME.meta.json.
    """
    bundles = {path.name.removesuffix(".meta.json"): inputs(path) for path in sorted(vendor.glob("*.meta.json"))}
    entries: dict[str, Any] = json.loads((vendor / "package-lock.json").read_text("utf-8"))["packages"]
    for place, entry in entries.items():
        if place.startswith(PACKAGES) and not entry.get("os"):
            name = place.removeprefix(PACKAGES)
            shipped_in = tuple(f"{bundle}.js" for bundle, names in bundles.items() if name in names)
            yield NpmLocked(name, entry["version"], entry["license"], entry["integrity"], shipped_in)


def inputs(metafile: Path) -> set[str]:
    """The npm packages of which esbuild took files into a bundle."""
    paths = json.loads(metafile.read_text("utf-8"))["inputs"]
    return {_package(path.removeprefix(PACKAGES)) for path in paths if path.startswith(PACKAGES)}


def _package(path: str) -> str:
    """lit/html.js is of lit, @lit/task/task.js of @lit/task."""
    return "/".join(path.split("/")[: 2 if path.startswith("@") else 1])
