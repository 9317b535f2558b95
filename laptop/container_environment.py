"""The environment of a container: what its manifest says, with a laptop's values in the places that need them."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from laptop.documents import Documents
from laptop.errors import ManifestError
from laptop.yaml_text import Manifest

_CLUSTER_ADDRESS = re.compile(r"http://([a-z0-9-]+)\.[a-z0-9-]+\.svc(?:\.cluster\.local)?(?=[:/]|$)(?::80(?=/|$))?")


@dataclass(frozen=True)
class SecretKey:
    """A value that a cluster takes from a Secret."""

    secret: str
    key: str


Value = str | SecretKey


def environment_of(container: Manifest, documents: Documents, service: str) -> dict[str, Value]:
    """Literal values, ConfigMaps and Secrets of one container, in Kubernetes' order: `env` wins over `envFrom`."""
    environment: dict[str, Value] = {}
    for source in container.get("envFrom", []):
        environment |= _config_map(source, documents, service)
    environment |= dict(_entries(container.get("env", []), documents, service))
    return environment


def on_this_machine(
    environment: Mapping[str, Value],
    secret: Callable[[SecretKey], str],
    address: Callable[[str], str],
    database: Callable[[str], str],
    folder: Callable[[str], str],
) -> dict[str, str]:
    """Fills in secrets, database URLs and folders, and turns cluster addresses into those of this machine."""

    def value_here(name: str, value: Value) -> str:
        if name.endswith("DATABASE_URL"):
            return database(name)
        if name.endswith("_FOLDER"):
            return folder(name)
        if isinstance(value, SecretKey):
            return secret(value)
        return _CLUSTER_ADDRESS.sub(lambda match: address(match[1]), value)

    return {name: value_here(name, value) for name, value in environment.items()}


def database_url(variable: str, folder: str, data: Path) -> str:
    """DATABASE_URL is the folder's own file, PROVIDER_DATABASE_URL is provider.db; the path is percent-encoded."""
    return f"sqlite:///{quote(str(database_file(variable, folder, data)))}"


def database_file(variable: str, folder: str, data: Path) -> Path:
    """The file behind that URL."""
    return data / f"{database_name(variable) or folder}.db"


def database_name(variable: str) -> str:
    """PROVIDER_DATABASE_URL is that of "provider", DATABASE_URL that of the folder itself."""
    return variable.removesuffix("DATABASE_URL").rstrip("_").lower().replace("_", "-")


def _config_map(source: Manifest, documents: Documents, service: str) -> dict[str, str]:
    reference = source.get("configMapRef")
    if not reference:
        raise ManifestError(f"Service {service}: a laptop knows envFrom only with configMapRef")
    prefix = source.get("prefix", "")
    return {prefix + key: str(value) for key, value in _data(reference, documents, service).items()}


def _entries(entries: list[Manifest], documents: Documents, service: str) -> Iterator[tuple[str, Value]]:
    for entry in entries:
        name, source = entry["name"], entry.get("valueFrom", {})
        if reference := source.get("secretKeyRef"):
            yield name, SecretKey(reference["name"], reference["key"])
        elif reference := source.get("configMapKeyRef"):
            data = _data(reference, documents, service)
            if reference["key"] in data:
                yield name, str(data[reference["key"]])
            elif not reference.get("optional"):
                missing = f"ConfigMap {reference['name']} has no key {reference['key']}"
                raise ManifestError(f"Service {service}: {missing}")
        elif source:
            raise ManifestError(f"Service {service}: a laptop does not know valueFrom of {name}")
        else:
            yield name, str(entry.get("value", ""))


def _data(reference: Manifest, documents: Documents, service: str) -> Manifest:
    found = documents.find("ConfigMap", reference["name"])
    if found:
        data: Manifest = found.get("data", {})
        return data
    if reference.get("optional"):
        return {}
    raise ManifestError(f"Service {service}: there is no ConfigMap {reference['name']}")
