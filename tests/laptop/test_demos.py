"""The demo of scale to zero, short: on a laptop that it starts itself, and on one that runs."""

import json
from pathlib import Path

import pytest

from demos.__main__ import main
from laptop.state import is_running
from tests.system import running_system

pytestmark = pytest.mark.timeout(300)  # a dozen cold starts and sleeps in a row
SHORT = ("--customers", "6", "--seats", "4")


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)


def shown(tmp_path: Path, data: Path, *more: str) -> str:
    """Runs the demo and checks its result file; what the text says."""
    assert main(["scale-to-zero", *SHORT, "--data", str(data), "--result", str(tmp_path), *more]) == 0
    figures = json.loads((tmp_path / "scale-to-zero.json").read_text("utf-8"))
    assert figures["ended"] == {"SUCCEED": 4, "CANCELED": 2}
    assert figures["starts"]["decrease-seats"]["greatest"] > 0
    assert figures["burst"]["postToEnd"]["greatest"] > figures["burst"]["postToAnswer"]["least"] > 0
    assert figures["samples"][0]["instances"] == figures["samples"][-1]["instances"] == []
    return (tmp_path / "scale-to-zero.txt").read_text("utf-8")


def test_a_burst_on_sleeping_functions_loses_and_doubles_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(tmp_path, tmp_path / "nothing runs here", "--window", "3s")
    assert "4 SUCCEED, 2 CANCELED: none lost, none doubled" in text
    assert text in capsys.readouterr().out


def test_a_laptop_that_runs_is_used_twice_and_left_running(tmp_path: Path) -> None:
    with running_system(tmp_path / "data", "--window", "3s") as system:
        for _ in range(2):
            shown(tmp_path, system.data)
        assert is_running(system.data)
        assert system.process.poll() is None
