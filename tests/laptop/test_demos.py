"""The demo of scale to zero, small, as somebody without a cluster types it."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from testbed.running_system import ROOT

CUSTOMERS, SEATS, ONE_BY_ONE = 3, 2, 5
SAGA = {"reserve", "decrease-seats", "charge-payment", "confirm-reservation", "cancel-reservation"}


@pytest.mark.timeout(400)
def test_a_burst_wakes_sleeping_functions_loses_and_doubles_nothing_and_lets_them_sleep_again(tmp_path: Path) -> None:
    done = typed(tmp_path, "--customers", str(CUSTOMERS), "--seats", str(SEATS), "--window", "4s")

    assert done.returncode == 0, done.stdout + done.stderr
    text, figures = (tmp_path / f"scale-to-zero.{kind}" for kind in ("txt", "json"))
    assert text.read_text("utf-8") in done.stdout
    assert str(text) in done.stdout
    assert str(figures) in done.stdout
    assert_counted(json.loads(figures.read_text("utf-8")), text.read_text("utf-8"))
    assert_slept_and_woke(json.loads(figures.read_text("utf-8")))
    assert_woken_ahead_and_when_needed(json.loads(figures.read_text("utf-8")), text.read_text("utf-8"))


def test_a_demo_that_needs_a_cluster_says_so(tmp_path: Path) -> None:
    done = typed(tmp_path, demo="hpa")

    assert (done.returncode, done.stdout) == (1, "demo hpa: begins\n")
    assert "this needs a cluster" in done.stderr
    assert list(tmp_path.glob("*.json")) == []


def typed(result: Path, *options: str, demo: str = "scale-to-zero") -> subprocess.CompletedProcess[str]:
    """The demo on this machine, on a laptop of its own."""
    data = ("--data", str(result / "nothing runs here")) if demo == "scale-to-zero" else ()
    return subprocess.run(
        [sys.executable, "-m", "demos", demo, "--result", str(result), *data, *options],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "KUBECONFIG"},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_counted(figures: dict[str, Any], text: str) -> None:
    """Every customer, in words as in figures."""
    assert (figures["demo"], figures["customers"], figures["seats"]) == ("scale-to-zero", CUSTOMERS, SEATS)
    assert figures["ended"] == {"SUCCEED": SEATS, "CANCELED": CUSTOMERS - SEATS}
    assert f"Of {CUSTOMERS} reservations 2 SUCCEED, 1 CANCELED: none lost, none doubled." in text
    assert f"All {len(figures['laws'])} laws hold, no dead letter." in text
    for kind, many in (("burst, functions asleep", CUSTOMERS), ("one by one, awake", ONE_BY_ONE)):
        assert re.search(rf"^{kind} +{many} ", text, re.MULTILINE)
    for times in (figures["burst"], figures["oneByOne"]):
        assert 0 < times["postToAnswer"]["least"] <= times["postToEnd"]["greatest"]
    assert set(figures["burst"]["steps"]) >= {"RemainingSeatsDecreased", "Paid", "SeatsSoldOut", "ReservationCanceled"}


def assert_slept_and_woke(figures: dict[str, Any]) -> None:
    """Nobody was awake at either end (one that is leaving is not), and whoever worked had been started for it."""
    samples = figures["samples"]
    states = [Counter(one["state"] for one in sample["instances"]) for sample in (samples[0], samples[-1])]
    assert [state.keys() - {"leaving"} for state in states] == [set(), set()]
    ready = {one["function"] for sample in samples for one in sample["instances"] if one["state"] == "ready"}
    assert ready >= SAGA
    assert figures["starts"].keys() >= SAGA
    assert all(0 < times["least"] <= times["median"] <= times["greatest"] for times in figures["starts"].values())


def assert_woken_ahead_and_when_needed(figures: dict[str, Any], text: str) -> None:
    """One reservation in both ways: each function starts when the one before it was ready, or long before that."""
    needed, ahead = (
        {one["function"]: one for one in reversed(figures[way]["woken"])} for way in ("aloneWhenNeeded", "alone")
    )
    road = ["reserve", "decrease-seats", "charge-payment", "confirm-reservation"]
    assert all(needed[one]["ready"] <= needed[next_]["began"] for one, next_ in pairwise(road))
    assert max(ahead[name]["began"] for name in road) < min(ahead[name]["ready"] for name in road[1:])
    assert re.search(r"^woken when needed +\d.*\nwoken ahead +\d", text, re.MULTILINE)
