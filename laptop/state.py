"""What a run keeps in the data folder: state.json for tests and tools, the broker's Triggers, the secrets, mounted
folders."""

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from laptop.container_environment import SecretKey
from laptop.errors import LaptopError
from laptop.yaml_text import Manifest


def write_state(data: Path, state: Mapping[str, Any]) -> None:
    """Replaces state.json as a whole: a reader never sees half of it."""
    _replace(data / "state.json", state)


def write_triggers(path: Path, manifests: Iterable[Manifest]) -> None:
    """A Kubernetes List, in JSON: that is YAML, too."""
    _replace(path, {"apiVersion": "v1", "kind": "List", "items": list(manifests)})


def kept_secret(data: Path, key: SecretKey) -> str:
    """The laptop's value for a key of a Secret: random, made once, readable for the owner only. Raises LaptopError."""
    path = data / "secrets.json"
    try:
        known: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    except ValueError as error:
        raise LaptopError(f"{path} is damaged; without it `make run` makes new secrets: remove the file") from error
    name = f"{key.secret}/{key.key}"
    if name not in known:
        known[name] = secrets.token_urlsafe(32)
        _replace(path, known, durable=True)
    return known[name]


def kept_folder(data: Path, variable: str) -> str:
    """The laptop's folder for what a cluster mounts: PROMOTIONS_FOLDER is promotions/, there for people to write to.

    Raises LaptopError.
    """
    path = data / variable.removesuffix("_FOLDER").lower().replace("_", "-")
    try:
        path.mkdir(exist_ok=True)
    except FileExistsError as error:
        raise LaptopError(f"{path} must be a folder: move away what is in its place") from error
    return str(path)


def _replace(path: Path, content: Mapping[str, Any], *, durable: bool = False) -> None:
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        if durable:
            os.fsync(descriptor)  # without it, a power cut can leave an empty file under the final name
    new.replace(path)
