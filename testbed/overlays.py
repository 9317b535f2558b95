"""An overlay of ours with more components and other settings, as somebody who uses it would write their own."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

LAST = "../../components/hashed-settings"
"""What changes ConfigMaps comes before it, in each overlay."""


def with_components(
    overlay: Path, folder: Path, components: Sequence[str], settings: Mapping[str, Mapping[str, str]]
) -> Path:
    """A kustomization in `folder` of all that is in the overlay, with the components before the last of its own.

    `settings` are data of ConfigMaps, by name. Patches, because kustomize generates before it comes to components.
    """
    content: dict[str, Any] = yaml.safe_load((overlay / "kustomization.yaml").read_text("utf-8"))
    own = content["components"]
    at = own.index(LAST) if LAST in own else len(own)
    together = [*own[:at], *(f"../../components/{name}" for name in components), *own[at:]]
    more = [{"patch": yaml.safe_dump(_settings(name, data))} for name, data in settings.items()]
    content |= {
        "resources": [_seen_from(folder, overlay / path) for path in content["resources"]],
        "components": [_seen_from(folder, overlay / path) for path in together],
        "patches": content.get("patches", []) + more,
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content), "utf-8")
    return folder


def _seen_from(folder: Path, path: Path) -> str:
    return os.path.relpath(path.resolve(), folder.resolve())


def _settings(name: str, data: Mapping[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "airline"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}
