"""What knative/base and functions/ say about the system, as far as lists follow from it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from laptop.documents import Documents, read_documents
from laptop.manifests import SERVING
from laptop.yaml_text import Manifest

REPLYING = {"reply", "reply_in_steps"}
"""The wrappers of choreography/policy.py whose answer is an event."""
COMPONENT = "app.kubernetes.io/component"
SETTINGS, URL = "-settings", "DATABASE_URL"


@dataclass(frozen=True)
class Database:
    """Its role has the same name. `owner`, such as FLIGHT_SEATS_, begins its variables in Jobs and Secrets.

    `folder` below functions/ has its migrations; `key` is that of its URL in the ConfigMap.
    """

    name: str
    owner: str
    folder: str
    config_map: str
    key: str

    @property
    def password(self) -> str:
        """The key of the Secret."""
        return f"{self.owner}DATABASE_PASSWORD"


@dataclass(frozen=True)
class System:
    """Names, in the order in which the manifests have them."""

    resources: tuple[str, ...]
    """Entries of the base's kustomization: what is in its folder."""
    databases: tuple[Database, ...]
    functions: tuple[str, ...]
    images: tuple[str, ...]
    bound: tuple[str, ...]
    """Services with a SinkBinding: they publish."""
    triggered: tuple[str, ...]
    ticked: tuple[str, ...]
    replying: tuple[str, ...]


def read_system(root: Path) -> System:
    """Reads a checkout. Raises ManifestError."""
    base = root / "knative" / "base"
    documents = read_documents([base])
    more = read_documents(_of_components(root))
    folders, functions = function_folders(root), tuple(service["metadata"]["name"] for service in _functions(documents))
    answering = (name for folder in folders for name in _replying(root / "functions" / folder / "main.py"))
    return System(
        resources=tuple(f"  - {path.name}\n" for path in sorted(base.glob("*.yaml")) if path.stem != "kustomization"),
        databases=tuple(_databases(documents)),
        functions=functions,
        images=(*folders, "gateway", "migrations"),
        bound=(*_names(documents, "SinkBinding"), *_names(more, "SinkBinding")),
        triggered=tuple(dict.fromkeys((*_triggered(documents), *_triggered(more)))),
        ticked=(*_names(documents, "PingSource"), *_names(more, "PingSource")),
        replying=tuple(name for name in answering if name in functions),
    )


def services_of_components(root: Path) -> set[str]:
    """The Knative Services that components add. Raises ManifestError."""
    services = read_documents(_of_components(root)).of_kind("Service", SERVING)
    return {service["metadata"]["name"] for service in services}


def _of_components(root: Path) -> list[Path]:
    """What components add that Knative knows, each in the file of its own name; `oidc` is prepared for all of it."""
    folders = sorted((root / "knative" / "components").glob("*"))
    return [file for folder in folders if (file := folder / f"{folder.name}.yaml").exists()]


def _names(documents: Documents, kind: str) -> list[str]:
    return [found["metadata"]["name"] for found in documents.of_kind(kind)]


def _triggered(documents: Documents) -> list[str]:
    return [found["spec"]["subscriber"]["ref"]["name"] for found in documents.of_kind("Trigger")]


def function_folders(root: Path) -> tuple[str, ...]:
    """The folders below functions/ that have functions."""
    return tuple(sorted(path.parent.name for path in (root / "functions").glob("*/main.py")))


def _functions(documents: Documents) -> Iterator[Manifest]:
    """The Services of functions: all but the gateway."""
    for service in documents.of_kind("Service", SERVING):
        if service["metadata"]["labels"][COMPONENT] != "gateway":
            yield service


def _databases(documents: Documents) -> Iterator[Database]:
    for settings in documents.of_kind("ConfigMap"):
        config_map = settings["metadata"]["name"]
        folder = config_map.removesuffix(SETTINGS)
        for key, url in settings.get("data", {}).items():
            if key.endswith(URL):
                # PROVIDER_DATABASE_URL is that of the folder `provider` inside
                inner = key.removesuffix(URL).rstrip("_")
                yield Database(
                    name=url.rpartition("/")[2],
                    owner=f"{inner or folder.upper().replace('-', '_')}_",
                    folder=f"{folder}/{inner.lower().replace('_', '-')}" if inner else folder,
                    config_map=config_map,
                    key=key,
                )


def _replying(main: Path) -> Iterator[str]:
    """The Services whose target calls a wrapper that answers with an event."""
    for target in ast.parse(main.read_text("utf-8")).body:
        if isinstance(target, ast.FunctionDef):
            calls = [node.func for node in ast.walk(target) if isinstance(node, ast.Call)]
            if {ast.unparse(call) for call in calls} & {f"policy.{wrapper}" for wrapper in REPLYING}:
                yield target.name.replace("_", "-")
