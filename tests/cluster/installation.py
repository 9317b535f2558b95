"""An installation of the airline for a session of tests: `make deploy` into a namespace of its own, and away again."""

import os
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from demos import cluster
from demos.kubectl import Namespace
from demos.running_airline import RunningAirline
from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import ROOT

DEFAULT = "kafka"
DEPLOY_WITHIN = 1800.0
PATIENCE = 120.0
"""Seconds that a step of a saga may take: several cold starts, on a machine that does other things as well."""
PAUSE = 0.5


@dataclass
class Installation:
    """The airline under test; `figures` collects what is printed at the end of the session."""

    overlay: str
    namespace: Namespace
    figures: dict[str, str] = field(default_factory=dict)

    @property
    def running(self) -> RunningAirline:
        """Where it is, as the demos know it."""
        return cluster.opened(self.namespace)

    @property
    def airline(self) -> AirlineUnderTest:
        """The vocabulary of whole sagas."""
        return AirlineUnderTest(self.running.url, self.running.host, PATIENCE, PAUSE)


@contextmanager
def installed(overlay: str) -> Iterator[Installation]:
    """Deploys the overlay into a fresh namespace, NAMESPACE where it is set, and removes it unless KEEP is set."""
    name = os.environ.get("NAMESPACE") or f"airline-test-{uuid.uuid4().hex[:6]}"
    assert not namespace_exists(name), f"the namespace {name} exists: the tests want a fresh one"
    try:
        _run("deploy", overlay, {"NAMESPACE": name})
        yield Installation(overlay, Namespace(name))
    finally:
        if not os.environ.get("KEEP"):
            _run("undeploy", overlay, {"NAMESPACE": name, "DATA": "delete"})


def overlay_folder() -> Path:
    """The folder of OVERLAY, which is a name below knative/overlays or a path."""
    named = os.environ.get("OVERLAY", DEFAULT)
    return Path(named) if "/" in named else ROOT / "knative" / "overlays" / named


def namespace_exists(name: str) -> bool:
    """Whether there is one, even one that is going."""
    return bool(Namespace(name).run("get", "namespace", name, "--ignore-not-found"))


def broker_address(broker: Mapping[str, Any]) -> str:
    """Where a Broker takes events: as its status says, or the same path at BROKER_INGRESS."""
    known = urlsplit(str(broker["status"]["address"]["url"]))
    ingress = os.environ.get("BROKER_INGRESS", f"{known.scheme}://{known.netloc}")
    return ingress.rstrip("/") + known.path


def _run(script: str, overlay: str, settings: Mapping[str, str]) -> None:
    command = [str(ROOT / "knative" / script), overlay]
    subprocess.run(command, env={**os.environ, **settings}, check=True, timeout=DEPLOY_WITHIN)
