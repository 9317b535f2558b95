"""The bill of materials of an image, or of the laptop: what others made, in which version, under which licence."""

import functools
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from packaging.markers import default_environment

from images import layout
from sbom import components
from sbom.locks import OURS, Locked, locked, npm_locked

PROJECT = Path(__file__).resolve().parent.parent
LAPTOP = "laptop"
GATEWAY = "gateway"
OUR_LICENCE = "Apache-2.0"
PAGE = "gateway/web/vendor"


@dataclass(frozen=True)
class Part:
    """A component, and the names of those of the same kind that need it; OURS: we do."""

    component: Component
    name: str = ""
    needed_by: frozenset[str] = frozenset({OURS})


def bill_of(name: str, version: str) -> Bom:
    """Of a folder of functions, of `migrations`, of `gateway`, or of `laptop`, which is what `make run` installs.

    The same files make the same bill: it has no time and no random number. Raises SbomError.
    """
    wanted = list(_parts(name))
    parts = sorted((part.component for part in wanted), key=lambda part: str(part.bom_ref))
    contents = " ".join([name, version, *(str(part.bom_ref) for part in parts)])
    bill = Bom(components=parts, serial_number=uuid.uuid5(uuid.NAMESPACE_URL, contents))
    bill.metadata.timestamp = None  # type: ignore[assignment]  # CycloneDX may do without; its default is now
    bill.metadata.component = root = Component(
        name=f"airline/{name}",
        version=version,
        type=ComponentType.APPLICATION if name == LAPTOP else ComponentType.CONTAINER,
        bom_ref=f"airline/{name}",
        licenses=components.licenses(OUR_LICENCE),
    )
    for part in parts:
        bill.register_dependency(part)
    for whole, part in _dependencies(root, wanted):
        bill.register_dependency(whole, [part])
    return bill


def _dependencies(root: Component, parts: list[Part]) -> Iterator[tuple[Component, Component]]:
    """Who needs whom. What only absent packages need is there for us."""
    known = {(part.component.purl and part.component.purl.type, part.name): part.component for part in parts}
    for part in parts:
        kind = part.component.purl and part.component.purl.type
        there = [known[kind, who] for who in part.needed_by - {OURS} if (kind, who) in known]
        for whole in [*there, *([root] if OURS in part.needed_by or not there else [])]:
            yield whole, part.component


def _parts(name: str) -> Iterator[Part]:
    if name == LAPTOP:
        yield from _python(PROJECT / "requirements" / "laptop.txt", here())
        yield from _page()
    elif name == GATEWAY:
        yield Part(components.base_image(_argument(PROJECT / "gateway" / "Dockerfile", "CADDY_IMAGE")))
        yield from _page()
    else:
        base = _argument(PROJECT / "Dockerfile", "PYTHON_IMAGE")
        yield Part(components.base_image(base))
        yield from _python(layout.requirements(name), in_image(base))


def here() -> Iterable[tuple[str, str]]:
    """The variables of PEP 508 markers for this Python."""
    return ((name, str(value)) for name, value in default_environment().items())


def in_image(base: str) -> Iterable[tuple[str, str]]:
    """The variables of PEP 508 markers in an image that begins with `python:3.11-...`."""
    minor = re.match(r"python:(\d+\.\d+)", base)
    if not minor:
        raise ValueError(f"{base} is not an image of Python")
    there = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"}
    there |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    there |= {
        "python_version": minor[1],
        "python_full_version": f"{minor[1]}.0",
        "implementation_version": f"{minor[1]}.0",
    }
    return there.items()


def _python(file: Path, environment: Iterable[tuple[str, str]]) -> Iterator[Part]:
    yield from map(_python_part, locked(file, dict(environment)))


@functools.cache
def _python_part(one: Locked) -> Part:
    return Part(components.python_package(one.name, one.version, one.hashes), one.name, one.needed_by)


def _page() -> Iterator[Part]:
    for one in npm_locked(PROJECT / "gateway" / "vendor"):
        places = [f"{PAGE}/{bundle}" for bundle in one.shipped_in]
        component = components.npm_package(one.name, one.version, one.licence, one.integrity, places)
        yield Part(component, one.name, one.needed_by)


def _argument(dockerfile: Path, name: str) -> str:
    """The default of an ARG."""
    found = re.search(rf"^ARG {name}=(\S+)$", dockerfile.read_text("utf-8"), re.MULTILINE)
    if not found:
        raise ValueError(f"{dockerfile} has no ARG {name}")
    return found[1]
