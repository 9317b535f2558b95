"""Reads what the tests hold against each other: manifests, function sources, the glossary and the README.

Sources are parsed, never imported: five `main.py` would collide, and a missing file names itself.
"""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from laptop.kustomization import kustomize
from laptop.yaml_text import parse

ROOT = Path(__file__).parents[1]
BASE = ROOT / "knative" / "base"
KAFKA = ROOT / "broker" / "kafka"
IN_MEMORY = ROOT / "broker" / "in-memory"
STRIMZI = ROOT / "broker" / "strimzi"

SERVING = "serving.knative.dev/v1"
EVENTING = "eventing.knative.dev/v1"
SOURCES = "sources.knative.dev/v1"


@dataclass(frozen=True)
class Manifest:
    """One YAML document and its file."""

    file: Path
    content: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.content["metadata"]["name"])

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.content["spec"]
        return spec

    def metadata(self, key: str) -> dict[str, str]:
        """`labels` or `annotations`, empty where there are none."""
        found: dict[str, str] = self.content["metadata"].get(key, {})
        return found

    def is_a(self, kind: str, api_version: str) -> bool:
        return (self.content["kind"], self.content["apiVersion"]) == (kind, api_version)

    def __str__(self) -> str:
        return self.name


@cache
def manifests(folder: Path = BASE) -> tuple[Manifest, ...]:
    """Every document of a kustomization as its patches make it, in the order in which it lists its files."""
    return tuple(_documents(folder))


def of_kind(kind: str, api_version: str, folder: Path = BASE) -> dict[str, Manifest]:
    """By name, the manifests of one kind."""
    return {found.name: found for found in manifests(folder) if found.is_a(kind, api_version)}


def kustomization(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = parse(folder / "kustomization.yaml")[0]
    return content


def services() -> dict[str, Manifest]:
    return of_kind("Service", SERVING)


def functions() -> dict[str, Manifest]:
    """The Services that run a function: all but the gateway."""
    return {name: service for name, service in services().items() if name != "gateway"}


@cache
def of_components(kind: str, api_version: str) -> dict[str, Manifest]:
    """By name, the manifests of one kind that are in no base: a component adds each, in the file of its own name."""
    files = [folder / f"{folder.name}.yaml" for folder in sorted((ROOT / "knative" / "components").iterdir())]
    found = [Manifest(file, content) for file in files if file.exists() for content in parse(file)]
    return {manifest.name: manifest for manifest in found if manifest.is_a(kind, api_version)}


def optional() -> dict[str, Manifest]:
    """The Services of functions that only components have."""
    return of_components("Service", SERVING)


def triggers() -> dict[str, Manifest]:
    return of_kind("Trigger", EVENTING)


def template(service: Manifest) -> dict[str, Any]:
    """What a pod of a Service is made from."""
    found: dict[str, Any] = service.spec["template"]["spec"]
    return found


def scaling(service: Manifest) -> dict[str, str]:
    """The annotations of a Service's template: how it scales."""
    found: dict[str, str] = service.spec["template"]["metadata"]["annotations"]
    return found


def container(service: Manifest) -> dict[str, Any]:
    (only,) = template(service)["containers"]
    found: dict[str, Any] = only
    return found


def env(service: Manifest) -> dict[str, str]:
    """The plain values of its environment; what comes from Secrets is left out."""
    return {entry["name"]: entry["value"] for entry in container(service).get("env", []) if "value" in entry}


def folder_of(service: Manifest) -> str:
    """The folder under functions/ that a Service is made of, from the name of its image."""
    return str(container(service)["image"]).rpartition("/")[2].partition(":")[0]


def heard_by(trigger: Manifest) -> str:
    return str(trigger.spec["subscriber"]["ref"]["name"])


def heard_type(trigger: Manifest) -> str | None:
    """The event type that a Trigger lets pass; None: every event."""
    attributes: dict[str, str] = trigger.spec.get("filter", {}).get("attributes", {})
    return attributes.get("type")


def function_folders() -> list[str]:
    """Those of the base, and `board`, which only clusters have."""
    return sorted(path.parent.name for path in (ROOT / "functions").glob("*/main.py"))


def databases() -> list[Path]:
    """The folders below functions/ that have migrations, and a database in the base."""
    optional_ones = folders_of_components()
    return [path for path in all_databases() if path.relative_to(ROOT / "functions").parts[0] not in optional_ones]


def all_databases() -> list[Path]:
    """As `databases`, with those of components."""
    return sorted(path.parent for path in (ROOT / "functions").glob("**/migrations"))


def folders_of_components() -> set[str]:
    """The folders of functions that only components run."""
    return {folder_of(service) for service in optional().values()} - {folder_of(one) for one in functions().values()}


def folders_of_the_saga() -> list[str]:
    """The folders of functions that the base runs: each has a database."""
    return sorted({path.relative_to(ROOT / "functions").parts[0] for path in databases()})


def targets(folder: str) -> dict[str, ast.FunctionDef]:
    """What functions-framework can serve from a folder: the decorated public functions of its main.py."""
    tree = ast.parse((ROOT / "functions" / folder / "main.py").read_text())
    found = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list)
    return {node.name: node for node in found if not node.name.startswith("_")}


@dataclass(frozen=True)
class Wiring:
    """Which wrapper of choreography/policy.py a target calls, with which rules of its folder ("module.name")."""

    wrapper: str
    rules: tuple[str, ...]


def wiring(service: Manifest) -> Wiring | None:
    """How a target is wired; None: not by choreography/policy.py, so it is an HTTP API."""
    target = targets(folder_of(service))[env(service)["FUNCTION_TARGET"]]
    calls = [node for node in ast.walk(target) if isinstance(node, ast.Call)]
    wrapped = [call for call in calls if ast.unparse(call.func).startswith("policy.")]
    if not wrapped:
        return None
    (call,) = wrapped
    rules = (ast.unparse(argument) for argument in call.args if isinstance(argument, ast.Attribute))
    return Wiring(
        ast.unparse(call.func).removeprefix("policy."),
        tuple(rule for rule in rules if not rule.endswith(".SOURCE")),
    )


def glossary() -> dict[str, ast.ClassDef]:
    """By name, every class in airline/events.py that is derived from its class Event."""
    tree = ast.parse((ROOT / "airline" / "events.py").read_text())
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    return {node.name: node for node in classes if "Event" in map(ast.unparse, node.bases)}


def is_frozen_dataclass(node: ast.ClassDef) -> bool:
    calls = [decorator for decorator in node.decorator_list if isinstance(decorator, ast.Call)]
    return any(
        ast.unparse(call.func).endswith("dataclass") and "frozen=True" in map(ast.unparse, call.keywords)
        for call in calls
    )


def known_settings() -> set[str]:
    """Every string in the settings of the kit and the airline that looks like the name of an environment variable."""
    trees = [ast.parse((ROOT / room / "settings.py").read_text()) for room in ("choreography", "airline")]
    texts = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and re.fullmatch(r"[A-Z][A-Z_]+", text)}


@dataclass(frozen=True)
class EventRow:
    """A row of the README's event table."""

    said_by: frozenset[str]
    heard_by: frozenset[str]


def documented_events() -> dict[str, EventRow]:
    """The README's event table, the one with the columns event, said by, heard by; names are in backticks."""
    lines = iter((ROOT / "README.md").read_text().splitlines())
    columns = next(
        (head for line in lines if {"event", "said by", "heard by"} <= set(head := _cells(line.lower()))), None
    )
    assert columns, "README.md has no table with the columns event, said by, heard by"
    next(lines)  # the line of dashes
    rows: dict[str, EventRow] = {}
    for line in lines:
        if not line.startswith("|"):
            break
        row = dict(zip(columns, map(_names, _cells(line)), strict=True))
        rows |= {event: EventRow(row["said by"], row["heard by"]) for event in row["event"]}
    return rows


def _documents(folder: Path) -> list[Manifest]:
    files = [folder / resource for resource in kustomization(folder)["resources"]]
    found = [Manifest(file, content) for file in files for content in parse(file)]
    kustomize(folder / "kustomization.yaml", [manifest.content for manifest in found])
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _names(cell: str) -> frozenset[str]:
    return frozenset(re.findall(r"`([^`]+)`", cell))
