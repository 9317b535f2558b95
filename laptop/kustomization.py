"""The part of kustomize that our manifests use, so that `make run` needs no kubectl.

Of a `kustomization.yaml` these change what is in its folder, in kustomize's own order:

    patches     each with a `target` (group, kind, labelSelector) and a `patch`, a list of JSON Patch operations
                (RFC 6902), with `add` as the only operation
    namespace   of everything
    labels      `pairs`, on everything

`resources` is not looked at, as a folder is read whole, and `configMapGenerator` is for clusters. Whatever else is
written there is refused, because the same manifests would mean something else on a cluster. So is a patch that replaces
what a manifest says: kustomize would take the patch, and who reads the manifest would not know.
"""

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from laptop.errors import ManifestError
from laptop.yaml_text import Manifest, parse

_READ = {"apiVersion", "kind", "resources", "configMapGenerator", "patches", "namespace", "labels"}
_TARGET = {"group", "kind", "labelSelector"}
# Kubernetes, "Labels and Selectors": commas separate requirements, but also the values of a set.
_BETWEEN_REQUIREMENTS = re.compile(r",\s*(?![^(]*\))")
_EQUALITY = re.compile(r"([\w./-]+)\s*(=|==|!=)\s*([\w.-]+)")
_SET = re.compile(r"([\w./-]+)\s+(in|notin)\s+\(([\w.,\s-]*)\)")


@dataclass(frozen=True)
class Patch:
    """Values that are added to each manifest of a group and kind whose labels fit."""

    target: Mapping[str, str]
    additions: tuple[tuple[str, Any], ...]  # JSON Pointer (RFC 6901) and value

    def fits(self, manifest: Manifest) -> bool:
        """Whether the target chooses this manifest. Raises ManifestError for a selector that is not understood."""
        group = str(manifest["apiVersion"]).rpartition("/")[0]
        return (
            self.target.get("group", group) == group
            and self.target.get("kind", manifest["kind"]) == manifest["kind"]
            and selects(self.target.get("labelSelector", ""), manifest["metadata"].get("labels", {}))
        )


def kustomize(file: Path, manifests: Iterable[Manifest]) -> None:
    """Changes the manifests as the `kustomization.yaml` in their folder says. Raises ManifestError."""
    content: Mapping[str, Any] = next(iter(parse(file)), {})
    _refuse(file, content.keys() - _READ)
    patches = [_patch(file, entry) for entry in content.get("patches", [])]
    labels = [_pairs(file, entry) for entry in content.get("labels", [])]
    for manifest in manifests:
        for patch in patches:
            if patch.fits(manifest):
                _apply(file, patch, manifest)
        if "namespace" in content:
            manifest["metadata"]["namespace"] = content["namespace"]
        for pairs in labels:
            manifest["metadata"].setdefault("labels", {}).update(pairs)


def selects(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether labels meet every requirement of a selector, such as `a=b, c in (d, e)`. Raises ManifestError."""
    return all(
        _meets(requirement, labels) for requirement in _BETWEEN_REQUIREMENTS.split(selector.strip()) if requirement
    )


def _meets(requirement: str, labels: Mapping[str, str]) -> bool:
    found = _EQUALITY.fullmatch(requirement) or _SET.fullmatch(requirement)
    if not found:
        raise ManifestError(f"a laptop does not understand the label selector {requirement!r}: a=b, a!=b, a in (b, c)")
    key, operator, values = found.groups()
    listed = labels.get(key) in [value.strip() for value in values.split(",")]
    return listed if operator in {"=", "==", "in"} else not listed


def _patch(file: Path, entry: Mapping[str, Any]) -> Patch:
    _refuse(file, entry.keys() - {"target", "patch"}, "patches.")
    target = entry.get("target", {})
    _refuse(file, target.keys() - _TARGET, "patches.target.")
    operations = next(iter(parse(file, entry.get("patch", ""))), ())
    others = [operation for operation in operations if not _is_addition(operation)]
    if others:
        raise ManifestError(
            f"{file}: for a laptop, a patch is a list of {{op: add, path, value}}; not of {others[0]!r}"
        )
    return Patch(target, tuple((operation["path"], operation["value"]) for operation in operations))


def _is_addition(operation: object) -> bool:
    return isinstance(operation, dict) and operation.keys() == {"op", "path", "value"} and operation["op"] == "add"


def _pairs(file: Path, entry: Mapping[str, Any]) -> Mapping[str, str]:
    _refuse(file, entry.keys() - {"pairs"}, "labels.")
    pairs: Mapping[str, str] = entry.get("pairs", {})
    return pairs


def _refuse(file: Path, words: Iterable[str], where: str = "") -> None:
    for word in sorted(words):
        raise ManifestError(
            f"{file}: a laptop does not know {where}{word}, so it would run other manifests than a cluster; "
            "what is only for clusters belongs in knative/components or an overlay"
        )


def _apply(file: Path, patch: Patch, manifest: Manifest) -> None:
    for pointer, value in patch.additions:
        *way, last = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
        try:
            place: Any = manifest
            for step in way:
                place = place[int(step) if isinstance(place, list) else step]
            _add(place, last, copy.deepcopy(value))
        except (LookupError, TypeError, ValueError) as error:
            name = f"{manifest['kind']} {manifest['metadata']['name']}"
            raise ManifestError(f"{file}: {pointer} cannot be added to {name}: {error}") from error


def _add(place: Any, key: str, value: Any) -> None:
    """Raises LookupError or ValueError where RFC 6902 has no place for the value, or where another one is there."""
    if isinstance(place, list):
        index = len(place) if key == "-" else int(key)
        if index > len(place):
            raise IndexError(f"the list has {len(place)} entries")
        place.insert(index, value)
    elif key in place:
        raise ValueError("it is there already; say it in one of the two places")
    else:
        place[key] = value
