"""A release that fails its smoke test goes back as a whole, and only to what was good."""

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from knative import rollback


class Town:
    """A cluster as the fake kubectl keeps it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        empty: dict[str, Any] = {"services": {}, "configmaps": {}}
        file.write_text(json.dumps(empty | {name: [] for name in ("revisions", "kept", "unpatchable", "stuck")}))

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found

    @contextmanager
    def changed(self) -> Iterator[dict[str, Any]]:
        """The state, written back at the end."""
        state = self.state
        yield state
        self.file.write_text(json.dumps(state))

    def release(self, number: int, *names: str) -> None:
        """Each of the Services gets a new revision, which is Ready and gets all traffic."""
        with self.changed() as state:
            state["revisions"] += [f"{name}-{number:05}" for name in names]
            state["services"] |= {name: service(name, number) for name in names}

    def collect_garbage(self) -> None:
        """As Serving does with config-gc at 0: revisions without traffic are deleted, except those to be kept."""
        with self.changed() as state:
            state["revisions"] = sorted({str(name) for name in self.serving().values()} | {*state["kept"]})

    def serving(self) -> dict[str, str | None]:
        return {name: rollback.serving(service) for name, service in self.state["services"].items()}


def service(name: str, number: int) -> dict[str, Any]:
    """As Serving describes one whose newest revision has come up."""
    return {
        "metadata": {"name": name, "generation": number},
        "status": {
            "observedGeneration": number,
            "traffic": [{"revisionName": f"{name}-{number:05}", "latestRevision": True, "percent": 100}],
            "conditions": [{"type": type_, "status": "True"} for type_ in ("Ready", "RoutesReady")],
        },
    }


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    made = Town(tmp_path / "cluster.json")
    fake = Path(__file__).with_name("fake_kubectl.py")
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(fake), str(made.file)])} "$@"\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return made


def test_all_services_go_back_together_and_by_name(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    town.release(1, "reserve", "decrease-seats", "gateway")
    assert rollback.main(["remember"]) == 0
    town.release(2, "reserve", "decrease-seats")

    assert rollback.main(["back"]) == 0

    assert town.serving() == {
        "reserve": "reserve-00001",
        "decrease-seats": "decrease-seats-00001",
        "gateway": "gateway-00001",
    }
    assert town.state["services"]["reserve"]["status"]["traffic"] == [{"revisionName": "reserve-00001", "percent": 100}]
    assert "2 Services brought back, 1 were there already" in capsys.readouterr().out


def test_revisions_that_were_good_outlive_any_number_of_rollouts(town: Town) -> None:
    town.release(1, "reserve", "gateway")
    rollback.main(["remember"])
    for number in (2, 3, 4):
        town.release(number, "reserve", "gateway")
        town.collect_garbage()

    assert rollback.main(["back"]) == 0

    assert town.serving() == {"reserve": "reserve-00001", "gateway": "gateway-00001"}


def test_only_the_revisions_that_were_good_last_are_kept(town: Town) -> None:
    town.release(1, "reserve", "gateway")
    rollback.main(["remember"])
    town.release(2, "reserve")
    rollback.main(["remember"])

    assert town.state["kept"] == ["gateway-00001", "reserve-00002"]


def test_a_formerly_good_revision_that_was_deleted_does_not_block_the_rollback(town: Town) -> None:
    town.release(1, "reserve")
    rollback.main(["remember"])
    town.release(2, "reserve")
    with town.changed() as state:
        state["revisions"] = ["reserve-00002"]

    assert rollback.main(["remember"]) == 0


def test_a_release_that_failed_is_not_what_the_next_one_goes_back_to(town: Town) -> None:
    town.release(1, "reserve")
    rollback.main(["remember"])
    town.release(2, "reserve")
    rollback.main(["back"])
    town.release(3, "reserve")

    rollback.main(["back"])

    assert town.serving() == {"reserve": "reserve-00001"}


def test_a_new_revision_that_never_came_up_does_not_take_over_later(town: Town) -> None:
    town.release(1, "reserve")
    rollback.main(["remember"])
    with town.changed() as state:
        state["services"]["reserve"]["metadata"]["generation"] = 2

    assert rollback.main(["back"]) == 0

    assert town.state["services"]["reserve"]["status"]["traffic"] == [{"revisionName": "reserve-00001", "percent": 100}]


def test_a_service_that_is_new_stays_and_is_named(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    town.release(1, "reserve")
    rollback.main(["remember"])
    town.release(2, "reserve", "thank-customer")

    assert rollback.main(["back"]) == 0

    assert town.serving() == {"reserve": "reserve-00001", "thank-customer": "thank-customer-00002"}
    assert "thank-customer has no good revision" in capsys.readouterr().out


def test_nothing_goes_back_where_one_revision_is_gone(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    town.release(1, "reserve", "gateway")
    rollback.main(["remember"])
    town.release(2, "reserve", "gateway")
    with town.changed() as state:
        state["revisions"].remove("gateway-00001")

    assert rollback.main(["back"]) == 1

    assert town.serving() == {"reserve": "reserve-00002", "gateway": "gateway-00002"}
    assert "gateway-00001 no longer exist" in capsys.readouterr().err


def test_where_nothing_was_good_there_is_no_way_back(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    town.release(1, "reserve")

    assert rollback.main(["back"]) == 1
    assert "No release was remembered" in capsys.readouterr().err


def test_one_service_that_refuses_does_not_keep_the_others(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    town.release(1, "reserve", "gateway")
    rollback.main(["remember"])
    town.release(2, "reserve", "gateway")
    with town.changed() as state:
        state["unpatchable"] = ["reserve"]

    assert rollback.main(["back"]) == 1

    assert town.serving() == {"reserve": "reserve-00002", "gateway": "gateway-00001"}
    assert "webhook denied" in capsys.readouterr().err


def test_it_says_whose_traffic_did_not_move_in_time(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    town.release(1, "reserve", "gateway")
    rollback.main(["remember"])
    town.release(2, "reserve", "gateway")
    with town.changed() as state:
        state["stuck"] = ["gateway"]

    assert rollback.main(["back", "--within", "0"]) == 1
    assert "still elsewhere: gateway." in capsys.readouterr().err


def test_half_a_release_is_never_good(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    town.release(1, "reserve", "gateway", "payment")
    with town.changed() as state:
        services = state["services"]
        services["reserve"]["status"]["conditions"][0]["status"] = "False"
        services["gateway"]["status"]["traffic"] = [
            {"revisionName": "gateway-00001", "percent": 90},
            {"revisionName": "gateway-00002", "percent": 10},
        ]
        services["payment"]["metadata"]["generation"] += 1  # changed, and Serving has not looked yet

    assert rollback.main(["remember"]) == 1

    assert "not Ready ['reserve', 'payment'], traffic split ['gateway']" in capsys.readouterr().err
    assert town.state["configmaps"] == {}


def test_an_empty_namespace_is_not_remembered(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    assert rollback.main(["remember", "--namespace", "elsewhere"]) == 1
    assert "No Service in namespace elsewhere" in capsys.readouterr().err
