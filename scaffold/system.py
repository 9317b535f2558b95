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
    triggers = [found["spec"]["subscriber"]["ref"]["name"] for found in documents.of_kind("Trigger")]
    folders = function_folders(root)
    return System(
        resources=tuple(f"  - {path.name}\n" for path in sorted(base.glob("*.yaml")) if path.stem != "kustomization"),
        databases=tuple(_databases(documents)),
        functions=tuple(service["metadata"]["name"] for service in _functions(documents)),
        images=(*folders, "gateway", "migrations"),
        bound=tuple(binding["metadata"]["name"] for binding in documents.of_kind("SinkBinding")),
        triggered=tuple(dict.fromkeys(triggers)),
        ticked=tuple(source["metadata"]["name"] for source in documents.of_kind("PingSource")),
        replying=tuple(name for folder in folders for name in _replying(root / "functions" / folder / "main.py")),
    )


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
