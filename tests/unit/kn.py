"""The commands of docs/kn.md, and the manifests that they ask for.

`asked_for` says what kn 1.23 would make, as far as this project's commands go; where a kn is installed, a test holds
it to that. `plain` takes from a manifest what says nothing: defaults, and what kn notes for itself.
"""

import re
import shlex
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from testbed.project import EVENTING, ROOT, SERVING, SOURCES

PAGE = ROOT / "docs" / "kn.md"
COMMANDS = re.compile(
    r"(service (create|apply|update|delete)|source (binding|ping) (create|delete)|source list"
    r"|(broker|trigger) (create|list|describe)|revision list)\b"
)
SWITCHES = {"cluster-local"}
"""The flags without a value."""
VISIBILITY = {"networking.knative.dev/visibility": "cluster-local"}
STRICT = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@dataclass(frozen=True)
class Command:
    """`kn VERBS NAME --flag value ...`; a flag that is repeated has several values."""

    line: str
    verbs: str
    name: str | None
    flags: dict[str, list[str]]

    def one(self, flag: str) -> str:
        (value,) = self.flags[flag]
        return value

    def pairs(self, flag: str) -> dict[str, str]:
        """The pairs of `--flag key=value`, also `key=value,key=value`."""
        return dict(pair.split("=", 1) for value in self.flags.get(flag, []) for pair in value.split(","))

    def __str__(self) -> str:
        return f"{self.verbs} {self.name or ''}".strip()


def commands() -> list[Command]:
    """Every line of the page's code blocks that begins with `kn`."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [_command(line) for line in lines if line.startswith("kn ")]


def asked_for(command: Command) -> dict[str, Any]:
    """The manifest. Raises KeyError for a command that makes none."""
    makers: dict[str, Callable[[Command], dict[str, Any]]] = {
        "service create": _service,
        "service apply": _service,
        "source binding create": _binding,
        "source ping create": _ping,
        "broker create": _broker,
    }
    return makers[command.verbs](command)


def plain(manifest: dict[str, Any]) -> dict[str, Any]:
    """Without defaults, without what kn notes for itself, with the volumes named after where they are mounted."""
    found = deepcopy(manifest)
    found.pop("status", None)
    if found["apiVersion"] == SERVING:
        template = found["spec"]["template"]
        notes = template["metadata"]["annotations"]
        template["metadata"] = {"annotations": {key: notes[key] for key in notes if not key.startswith("client.")}}
        (container,) = template["spec"]["containers"]
        container["env"] = sorted(container["env"], key=lambda entry: str(entry["name"]))
        container.pop("name", None)
        container["readinessProbe"]["httpGet"].pop("port", None)
        container["readinessProbe"].pop("periodSeconds", None)
        for mount, volume in zip(container["volumeMounts"], template["spec"]["volumes"], strict=True):
            mount["name"] = volume["name"] = mount["mountPath"].strip("/")
        if found["spec"].get("traffic") == [{"latestRevision": True, "percent": 100}]:
            del found["spec"]["traffic"]
    return found


def without(manifest: dict[str, Any], paths: set[str]) -> dict[str, Any]:
    """The manifest without the fields at these dotted paths; each of them must be there."""
    found = deepcopy(manifest)
    for path in paths:
        *way, last = path.split(".")
        place: Any = found
        for step in way:
            place = place[int(step) if step.isdigit() else step]
        del place[last]
    return found


def _command(line: str) -> Command:
    words = shlex.split(line)[1:]
    matched = COMMANDS.match(" ".join(words))
    assert matched, f"no check knows this command: {line}"
    rest = words[len(matched[0].split()) :]
    name = rest.pop(0) if rest and not rest[0].startswith("-") else None
    flags: dict[str, list[str]] = {}
    while rest:
        flag = rest.pop(0)
        assert flag.startswith("--"), f"neither a flag nor its value: {flag} in {line}"
        flag = flag.removeprefix("--")
        flags.setdefault(flag, []).append("true" if flag in SWITCHES else rest.pop(0))
    return Command(line, matched[0], name, flags)


def _named(command: Command, api_version: str, kind: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    kept = {key: value for key, value in metadata.items() if value}
    named = {"name": command.name, "namespace": command.one("namespace"), **kept}
    return {"apiVersion": api_version, "kind": kind, "metadata": named, "spec": spec}


def _service(command: Command) -> dict[str, Any]:
    labels = command.pairs("label-service") | (VISIBILITY if "cluster-local" in command.flags else {})
    spec = {
        "containerConcurrency": int(command.one("concurrency-limit")),
        "timeoutSeconds": int(command.one("timeout")),
        "containers": [_container(command)],
        "volumes": [{"name": path.strip("/"), "emptyDir": {}} for path in command.pairs("mount")],
    }
    template = {"metadata": {"annotations": _scaling(command)}, "spec": spec}
    annotations = command.pairs("annotation-service")
    return _named(command, SERVING, "Service", {"template": template}, labels=labels, annotations=annotations)


def _scaling(command: Command) -> dict[str, str]:
    least, most = command.one("scale").split("..")
    said = {"min-scale": least, "max-scale": most}
    for flag in ("metric", "target", "window"):
        said[flag] = command.one(f"scale-{flag}")
    if "scale-utilization" in command.flags:
        said["target-utilization-percentage"] = command.one("scale-utilization")
    return command.pairs("annotation-revision") | {f"autoscaling.knative.dev/{key}": said[key] for key in said}


def _container(command: Command) -> dict[str, Any]:
    assert all(value.startswith("cm:") for value in command.flags["env-from"])
    assert command.one("security-context") == "strict"
    probe, _, port, path = command.one("probe-readiness").split(":")
    assert (probe, port, command.one("probe-readiness-opts")) == ("http", "0", "PeriodSeconds=1")
    plain_values = [{"name": name, "value": value} for name, value in command.pairs("env").items()]
    return {
        "image": command.one("image"),
        "envFrom": [{"configMapRef": {"name": value.removeprefix("cm:")}} for value in command.flags["env-from"]],
        "env": plain_values + [_from_secret(*pair) for pair in command.pairs("env-value-from").items()],
        "readinessProbe": {"httpGet": {"path": path}},
        "resources": {"requests": command.pairs("request"), "limits": command.pairs("limit")},
        "securityContext": {**STRICT, "runAsUser": int(command.one("user"))},
        "volumeMounts": [{"name": path.strip("/"), "mountPath": path} for path in command.pairs("mount")],
    }


def _from_secret(name: str, value: str) -> dict[str, Any]:
    prefix, secret, key = value.split(":")
    assert prefix == "secret"
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _binding(command: Command) -> dict[str, Any]:
    kind, api_version, name = command.one("subject").split(":")
    subject = {"apiVersion": api_version, "kind": kind, "name": name}
    return _named(command, SOURCES, "SinkBinding", {"subject": subject, "sink": _sink(command, "sink")})


def _ping(command: Command) -> dict[str, Any]:
    spec = {"schedule": command.one("schedule"), "data": command.one("data"), "sink": _sink(command, "sink")}
    return _named(command, SOURCES, "PingSource", spec)


def _broker(command: Command) -> dict[str, Any]:
    prefix, name, namespace = command.one("broker-config").split(":")
    assert prefix == "cm"
    config = {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "namespace": namespace}
    delivery = {
        "retry": int(command.one("retry")),
        "backoffPolicy": command.one("backoff-policy"),
        "backoffDelay": command.one("backoff-delay"),
        "timeout": command.one("timeout"),
        "deadLetterSink": _sink(command, "dl-sink"),
    }
    annotations = {"eventing.knative.dev/broker.class": command.one("class")}
    return _named(command, EVENTING, "Broker", {"config": config, "delivery": delivery}, annotations=annotations)


def _sink(command: Command, flag: str) -> dict[str, Any]:
    prefix, name = command.one(flag).split(":")
    api_version, kind = {"broker": (EVENTING, "Broker"), "ksvc": (SERVING, "Service")}[prefix]
    return {"ref": {"apiVersion": api_version, "kind": kind, "name": name}}
