"""The contract suite of tests/broker against the Broker class of this cluster."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from demos.kubectl import SERVICE, Namespace, is_ready
from testbed.running_system import ROOT, eventually
from tests.cluster.installation import Installation, broker_address, namespace_exists

BROKER = Path(ROOT) / "tests" / "broker"
NAME = "airline-contract"
CLASSES = {"Kafka": ("Kafka", "broker-kafka.yaml"), "MTChannelBasedBroker": ("MT", "broker-mt.yaml")}
"""By the class of the airline's own Broker: what the suite calls it, and the Broker of the suite."""
READY_WITHIN = 300.0
OF_THE_AIRLINE = "name: airline-broker, namespace: airline}"
"""The configuration of the suite's Broker on Kafka: that of the airline, wherever that is installed."""


def broker_class(installation: Installation) -> tuple[str, str]:
    annotations = installation.namespace.get("broker", "airline")["metadata"]["annotations"]
    return CLASSES[annotations["eventing.knative.dev/broker.class"]]


def broker_manifest(installation: Installation) -> str:
    """The Broker of the suite, with the configuration of the airline under test."""
    text = (BROKER / broker_class(installation)[1]).read_text("utf-8")
    return text.replace(OF_THE_AIRLINE, f"name: airline-broker, namespace: {installation.namespace.name}}}")


@pytest.fixture
def contract(installation: Installation) -> Iterator[Namespace]:
    """The recorder, the Broker and the Triggers of the suite; the recorder runs in the image of reserve."""
    assert not namespace_exists(NAME), f"the namespace {NAME} exists: delete it first"
    there = Namespace(NAME)
    image = installation.namespace.get(SERVICE, "reserve")["spec"]["template"]["spec"]["containers"][0]["image"]
    recorder = (BROKER / "recorder" / "service.yaml").read_text("utf-8")
    assert recorder.count("dev.local/airline/reserve:dev") == 1
    there.run("create", "namespace", NAME)
    try:
        there.run("create", "configmap", "recorder", f"--from-file={BROKER / 'recorder' / 'main.py'}")
        there.run("apply", "-f", "-", given=recorder.replace("dev.local/airline/reserve:dev", image))
        there.run("apply", "-f", "-", given=broker_manifest(installation))
        there.run("apply", "-f", str(BROKER / "triggers.yaml"))
        kinds = (SERVICE, "brokers.eventing.knative.dev", "triggers.eventing.knative.dev")
        eventually(
            lambda: all(is_ready(one) for kind in kinds for one in there.items(kind)), "all are Ready", READY_WITHIN, 2
        )
        yield there
    finally:
        if not os.environ.get("KEEP"):
            there.run("delete", "namespace", NAME, within=300)


def test_the_broker_keeps_its_contract(installation: Installation, contract: Namespace) -> None:
    name, _ = broker_class(installation)
    known = contract.get(SERVICE, "recorder")["status"]["url"]
    ingress = os.environ.get("AIRLINE_URL", known)
    command = [sys.executable, "-m", "pytest", "tests/broker", "-rs", "--broker-class", name]
    command += ["--broker-url", broker_address(contract.get("broker", "contract")), "--recorder-url", ingress]
    command += ["--recorder-host", str(urlsplit(known).hostname)] if ingress != known else []
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    installation.figures[f"contract of class {name}"] = done.stdout.strip().splitlines()[-1]
    assert done.returncode == 0, done.stdout[-8000:]
