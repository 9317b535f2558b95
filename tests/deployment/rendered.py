"""What overlays become: rendered by the kubectl of the environment, as `make deploy` does it, and read as manifests."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from broker.embedded.yaml_documents import yaml_documents
from testbed.once import once
from testbed.project import BASE, IN_MEMORY, KAFKA, ROOT, SERVING, Manifest, container, template

COMPONENTS = ROOT / "knative" / "components"
OVERLAYS = ROOT / "knative" / "overlays"
BESIDE_EACH_OTHER = (
    "board",
    "small",
    "zero-initial-scale",
    "hpa",
    "network-policies",
    "istio",
    "volume",
    "oidc",
    "observability",
    "identity",
    "public",
    "hashed-settings",
)
"""Every component that has no other one in its place, in the order in which they may be used together."""
COMBINATIONS: Mapping[str, tuple[Path, tuple[str, ...]]] = {
    "mysql": (KAFKA, ("mysql", "migrations", "hashed-settings")),
    "mysql-no-disk": (IN_MEMORY, ("mysql", "no-disk", "migrations", "hashed-settings")),
    "notifications": (IN_MEMORY, ("postgresql", "migrations", "notifications", "payment-webhooks", "hashed-settings")),
    "provider-apart": (IN_MEMORY, ("postgresql", "migrations", "network-policies", "payment-provider", "oidc")),
    "plain-settings": (IN_MEMORY, ("postgresql", "migrations")),
    "everything": (KAFKA, ("postgresql", "migrations", *BESIDE_EACH_OTHER)),
    "everything-in-memory": (IN_MEMORY, ("mysql", "no-disk", "migrations", *BESIDE_EACH_OTHER)),
}
RENDERINGS = (*sorted(path.name for path in OVERLAYS.iterdir()), *COMBINATIONS)

Rendering = tuple[Manifest, ...]


@cache
def rendered(name: str, **settings: str) -> Rendering:
    """An overlay or one of the combinations, with the settings of knative/render. Raises CalledProcessError."""
    key = hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest()
    return _read(OVERLAYS / name, once(f"{name}-{key}.yaml", lambda: _named(name, settings)))


def render(overlay: Path, **settings: str) -> Rendering:
    """A kustomization that only one test has. Raises CalledProcessError."""
    return _read(overlay, _text(overlay, settings))


def _named(name: str, settings: Mapping[str, str]) -> str:
    with TemporaryDirectory() as folder:
        overlay = combination(Path(folder), *COMBINATIONS[name]) if name in COMBINATIONS else OVERLAYS / name
        return _text(overlay, settings)


def _text(overlay: Path, settings: Mapping[str, str]) -> str:
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [str(ROOT / "knative" / "render"), str(overlay)]
    return subprocess.run(
        command, env=os.environ | path | dict(settings), capture_output=True, text=True, check=True
    ).stdout


def _read(overlay: Path, text: str) -> Rendering:
    return tuple(Manifest(overlay, document) for document in yaml_documents(overlay, text))


def combination(folder: Path, broker: Path, components: tuple[str, ...], **more: Any) -> Path:
    """A kustomization of the base, a broker and components."""

    def relative(path: Path) -> str:
        return os.path.relpath(path, folder.resolve())

    content = {
        "resources": [relative(BASE), relative(broker)],
        "components": [relative(COMPONENTS / component) for component in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content | more), "utf-8")
    return folder


def of(rendering: Rendering, kind: str, group: str = "") -> dict[str, Manifest]:
    """By name, the manifests of one kind; `group` is the beginning of their apiVersion."""
    return {
        manifest.name: manifest
        for manifest in rendering
        if manifest.content["kind"] == kind and manifest.content["apiVersion"].startswith(group)
    }


def services_of(rendering: Rendering) -> dict[str, Manifest]:
    return of(rendering, "Service", SERVING)


def functions_of(rendering: Rendering) -> dict[str, Manifest]:
    return {name: service for name, service in services_of(rendering).items() if name != "gateway"}


def workloads(rendering: Rendering) -> Iterator[Manifest]:
    """Everything that makes pods."""
    yield from services_of(rendering).values()
    yield from of(rendering, "StatefulSet").values()
    yield from of(rendering, "Job").values()


def labels_of_pods(workload: Manifest) -> dict[str, str]:
    """What a NetworkPolicy can select its pods by; the labels of a Knative Service stay on the Service."""
    made: dict[str, str] = workload.spec["template"].get("metadata", {}).get("labels", {})
    return made | ({"serving.knative.dev/service": workload.name} if workload.is_a("Service", SERVING) else {})


def references(workload: Manifest) -> Iterator[tuple[str, str, str | None]]:
    """What its pods need to start: kind, name, and key where one is named."""
    for source in container(workload).get("envFrom", []):
        yield from ((kind, source[field]["name"], None) for field, kind in FROM if field in source)
    for entry in container(workload).get("env", []):
        source = entry.get("valueFrom", {})
        yield from ((kind, source[field]["name"], source[field]["key"]) for field, kind in KEYS if field in source)
    if account := template(workload).get("serviceAccountName"):
        yield "ServiceAccount", account, None
    for volume in template(workload).get("volumes", []):
        yield from ((kind, volume[field][name], None) for field, kind, name in VOLUMES if field in volume)


FROM = (("configMapRef", "ConfigMap"), ("secretRef", "Secret"))
KEYS = (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret"))
VOLUMES = (
    ("configMap", "ConfigMap", "name"),
    ("secret", "Secret", "secretName"),
    ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
)
