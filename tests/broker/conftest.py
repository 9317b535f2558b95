"""The same suite for the embedded broker and for a real one.

    pytest tests/broker                                        starts the embedded broker, behaves as class Kafka
    pytest tests/broker --broker-url URL --recorder-url URL --broker-class Kafka|MT

or BROKER_URL, RECORDER_URL, BROKER_CLASS. On a cluster apply recorder/service.yaml, broker-kafka.yaml or broker-mt.yaml
and triggers.yaml into the namespace airline-contract first, and wait until all of them are ready.
"""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.broker.contract import Contract
from tests.broker.processes import HERE, EmbeddedBroker, Start, running_recorder

OPTIONS = {
    "--broker-url": "ingress of the broker under test, without it the embedded one is started",
    "--recorder-url": "where the recorder of that broker can be asked",
    "--recorder-host": "its name at that address, where no DNS knows it",
    "--broker-class": "Kafka (default) or MT",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    for option, explanation in OPTIONS.items():
        parser.addoption(option, default=None, help=explanation)


def _option(config: pytest.Config, name: str) -> str | None:
    # In a run of all tests pytest reads this file too late for its options.
    value: str | None = config.getoption(name, default=None)
    return value or os.environ.get(name.removeprefix("--").replace("-", "_").upper())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _option(config, "--broker-url"):
        elsewhere = pytest.mark.skip(reason="about the embedded broker, not about the one at --broker-url")
        for item in items:
            if item.path.parent == HERE and item.path.name.startswith("test_embedded_"):
                item.add_marker(elsewhere)


@pytest.fixture(scope="session")
def recorder_url(pytestconfig: pytest.Config) -> Iterator[str]:
    url = _option(pytestconfig, "--recorder-url")
    if url:
        yield url
        return
    with running_recorder() as local:
        yield local


@pytest.fixture(scope="session")
def contract(
    pytestconfig: pytest.Config, recorder_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Contract]:
    broker_class = _option(pytestconfig, "--broker-class") or "Kafka"
    assert broker_class in ("Kafka", "MT"), "--broker-class is Kafka or MT"
    url = _option(pytestconfig, "--broker-url")
    if url:
        assert _option(pytestconfig, "--recorder-url"), "--broker-url needs the --recorder-url of the same cluster"
        yield Contract(url, broker_class, recorder_url, _option(pytestconfig, "--recorder-host"))
        return
    manifests = [HERE / "triggers.yaml", HERE / "broker-kafka.yaml"]
    data = tmp_path_factory.mktemp("broker") / "broker.db"
    with EmbeddedBroker(manifests, {"recorder": recorder_url}, data).running() as broker:
        yield Contract(broker.url(), "embedded", recorder_url)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Start]:
    """Starts a broker on the test's database with these Triggers; the test may start it again with others."""
    with ExitStack() as stack:

        def start(recorder: str, *triggers: dict[str, Any], options: tuple[str, ...] = ()) -> EmbeddedBroker:
            broker = {"kind": "Broker", "metadata": {"namespace": "airline-contract", "name": "contract"}}
            manifests = tmp_path / "triggers.yaml"
            manifests.write_text("\n---\n".join(json.dumps(each) for each in [broker, *triggers]))
            running = EmbeddedBroker([manifests], {"recorder": recorder}, tmp_path / "broker.db", *options)
            return stack.enter_context(running.running())

        yield start
