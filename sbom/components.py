"""What a bill of materials lists, as CycloneDX components."""

import base64
import binascii
import re
from collections.abc import Iterable
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.component_evidence import ComponentEvidence, Occurrence
from cyclonedx.model.license import License
from cyclonedx.spdx import fixup_id, is_expression
from packageurl import PackageURL

from sbom.errors import AnotherVersion, NotInstalled

IMAGE = re.compile(r"(?P<name>[a-z0-9./-]+):(?P<tag>[\w.-]+)@(?P<digest>sha256:[0-9a-f]{64})")
CLASSIFIER = "License :: "
LONGEST_NAME = 80
"""Characters of a licence's name; what is longer in package metadata is the text of the licence."""


def python_package(name: str, version: str, hashes: Iterable[str]) -> Component:
    """A package from PyPI, with the files that pip accepts (`sha256:` and hexadecimal digits each).

    Raises NotInstalled or AnotherVersion where its licence cannot be read from the environment.
    """
    purl = PackageURL("pypi", None, re.sub(r"[-_.]+", "-", name).lower(), version)
    return Component(
        name=name,
        version=version,
        purl=purl,
        bom_ref=purl.to_string(),
        licenses=licenses(_licence(_installed(name, version))),
        external_references=[_file(purl, HashAlgorithm.SHA_256, one.removeprefix("sha256:")) for one in hashes],
    )


def npm_package(name: str, version: str, licence: str, integrity: str, places: Iterable[str]) -> Component:
    """A package from npm; `integrity` is `sha512-` and base64, as package-lock.json has it.

    `places` are the files of the page that it is in. Without any, only the build needs it: scope `excluded`.
    """
    group, _, short = name.rpartition("/")
    purl = PackageURL("npm", group or None, short, version)
    digest = binascii.hexlify(base64.b64decode(integrity.removeprefix("sha512-"))).decode()
    found = [Occurrence(location=place) for place in places]
    return Component(
        name=short,
        group=group or None,
        version=version,
        purl=purl,
        bom_ref=purl.to_string(),
        scope=ComponentScope.REQUIRED if found else ComponentScope.EXCLUDED,
        licenses=licenses(licence),
        external_references=[_file(purl, HashAlgorithm.SHA_512, digest)],
        evidence=ComponentEvidence(occurrences=found) if found else None,
    )


def base_image(image: str) -> Component:
    """What a Dockerfile begins with: NAME:TAG@sha256:DIGEST. What is inside is listed by those who made it."""
    if not (parts := IMAGE.fullmatch(image)):
        raise ValueError(f"{image} is not NAME:TAG@sha256:DIGEST")
    name, tag, digest = parts.group("name", "tag", "digest")
    purl = PackageURL("docker", None, name, digest, {"tag": tag})
    return Component(
        name=name,
        version=tag,
        type=ComponentType.CONTAINER,
        purl=purl,
        bom_ref=purl.to_string(),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest.removeprefix("sha256:"))],
    )


def licenses(text: str | None) -> list[License]:
    """An SPDX expression or id where the text is one, else its name."""
    return [LicenseFactory().make_from_string(text)] if text else []


def _installed(name: str, version: str) -> PackageMetadata:
    try:
        found = metadata(name)
    except PackageNotFoundError as error:
        raise NotInstalled(name) from error
    if found["Version"] != version:
        raise AnotherVersion(name, version, found["Version"])
    return found


def _licence(found: PackageMetadata) -> str | None:
    """As the package states it: an expression or an SPDX id, else by its classifiers, else by a name."""
    stated = _field(found, "License-Expression") or _field(found, "License")
    if known := fixup_id(stated):
        return known
    if stated and is_expression(stated):
        return stated
    classified = [line.rpartition(" :: ")[2] for line in found.get_all("Classifier", ()) if line.startswith(CLASSIFIER)]
    return " AND ".join(classified) or (stated if 0 < len(stated) <= LONGEST_NAME else None)


def _field(found: PackageMetadata, name: str) -> str:
    return next(iter(found.get_all(name, ())), "")


def _file(purl: PackageURL, algorithm: HashAlgorithm, digest: str) -> ExternalReference:
    """A file by its hash; where it is fetched from is a matter of whoever fetches it."""
    return ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(purl.to_string()),
        hashes=[HashType(alg=algorithm, content=digest)],
    )
