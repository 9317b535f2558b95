"""Runs the laptop for a test: in a folder of its own, on free ports, ended with the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.running_system import RunningSystem, running_system

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """The sample functions, which fall asleep after a short while."""
    arguments = ("--manifests", str(FIXTURES / "manifests"), "--functions", str(FIXTURES / "functions"))
    with running_system(tmp_path_factory.mktemp("sample"), *arguments, "--window", "500ms") as running:
        yield running
