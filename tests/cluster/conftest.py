"""Only with KUBECONFIG. One installation for all tests of a session; README.md names the settings."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demos.cluster import is_given
from testbed.airline_under_test import AirlineUnderTest
from tests.cluster.installation import DEFAULT, Installation, installed

HERE = Path(__file__).parent
TIMEOUT = 2400
"""Seconds for a test; the first one waits for the installation."""
FIGURES = pytest.StashKey[dict[str, str]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.timeout(TIMEOUT))
        if not is_given():
            item.add_marker(pytest.mark.skip(reason="needs a cluster: KUBECONFIG=... make test-cluster"))


@pytest.fixture(scope="session")
def installation(pytestconfig: pytest.Config) -> Iterator[Installation]:
    began = time.monotonic()
    with installed(os.environ.get("OVERLAY", DEFAULT)) as made:
        made.figures["deployed and Ready after"] = f"{time.monotonic() - began:.0f} s"
        pytestconfig.stash[FIGURES] = made.figures
        yield made


@pytest.fixture
def airline(installation: Installation) -> AirlineUnderTest:
    return installation.airline


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if figures := config.stash.get(FIGURES, None):
        terminalreporter.section("what was measured")
        for name, value in figures.items():
            terminalreporter.write_line(f"{name}: {value}")
