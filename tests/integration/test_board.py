"""The live board of a cluster: it reads who is awake, hears every event, and wakes and delays nobody."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from werkzeug.test import Client, TestResponse

import board_http
import following
import happenings
from broker.embedded.event import Event
from broker.embedded.filters import compile_filter
from broker.embedded.happenings import Happenings
from broker.embedded.log_records import StoredEvent
from choreography.settings import settings
from client.feed import messages
from client.gateway import Airline
from hearers import wants
from laptop.board.picture import Picture
from testbed.board_of_a_cluster import Board, board_of_a_cluster, served
from testbed.fake_kubernetes import PODS, FakeKubernetes, pod
from testbed.running_system import eventually
from testbed.vocabulary import CLOUD_EVENT, assert_refused, event
from tests.integration.conftest import Clock
from tests.integration.test_every_target import as_kafka_delivers

FEED = "/board/feed"
TOO_OLD = {"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}}


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[Board]:
    with board_of_a_cluster(tmp_path) as hosted:
        yield hosted


@pytest.fixture
def cluster(hosted: Board) -> FakeKubernetes:
    return hosted.cluster


@pytest.fixture
def board(hosted: Board) -> Client:
    return hosted.client


class Watching:
    """Reads the feed, and puts together what it says, as a page does."""

    def __init__(self, board: Client) -> None:
        self.answer = board.get(FEED, buffered=False)
        self.messages = self._documents()
        self.seen: dict[str, Any] = {}

    def until(self, name: str, is_so: Any) -> Any:
        """The part of that name, once it is so."""
        while name not in self.seen or not is_so(self.seen[name]):
            document = next(self.messages)
            for key, value in document.items():
                both = isinstance(value, dict) and document["kind"] == "changes"
                self.seen[key] = self.seen.get(key, {}) | value if both else value
        return self.seen[name]

    def state(self, name: str, state: str) -> dict[str, Any]:
        found: dict[str, Any] = self.until("functions", lambda all_: name in all_ and all_[name]["state"] == state)[
            name
        ]
        return found

    def _documents(self) -> Iterator[dict[str, Any]]:
        for part in self.answer.response:
            text = part.decode() if isinstance(part, bytes) else part
            assert text.endswith("\n\n")
            if text.startswith("data: "):
                yield json.loads(text.removeprefix("data: "))


@pytest.fixture
def watching(board: Client) -> Iterator[Watching]:
    watching = Watching(board)
    assert watching.answer.content_type == "text/event-stream"
    yield watching
    watching.answer.close()


def deliver(board: Client, sent: dict[str, Any]) -> TestResponse:
    return board.post("/looks-on", data=json.dumps(sent["data"]), headers=as_kafka_delivers(sent))


def test_who_watches_sees_functions_wake_and_sleep(
    cluster: FakeKubernetes, watching: Watching, held_clock: Clock
) -> None:
    asleep = watching.state("decrease-seats", "asleep")
    assert asleep["since"] is None
    assert set(watching.seen["functions"]) == {"reserve", "decrease-seats", "project-dashboard"}

    cluster.becomes("ADDED", pod("decrease-seats"))
    assert watching.state("decrease-seats", "waking")["instances"] == 0
    held_clock.passes(timedelta(seconds=2.1))
    cluster.becomes("MODIFIED", pod("decrease-seats", ready="2026-11-28T12:00:02Z"))
    awake = watching.state("decrease-seats", "awake")
    assert (awake["instances"], awake["starts"], awake["wakings"][0]["seconds"]) == (1, 1, 2.1)
    assert watching.seen["awake"][-1][1] == 1
    cluster.becomes("MODIFIED", pod("decrease-seats", ready="2026-11-28T12:00:02Z", ending=True))
    assert watching.state("decrease-seats", "stopping")["instances"] == 0
    cluster.becomes("DELETED", pod("decrease-seats"))
    assert watching.state("decrease-seats", "asleep")["starts"] == 1


def test_who_was_awake_before_anybody_watched_is_known_by_its_pods(cluster: FakeKubernetes, board: Client) -> None:
    cluster.things[PODS] = [
        pod("reserve", "1", ready="2026-11-28T12:00:03Z"),
        pod("reserve", "2", ready="2026-11-28T12:00:05Z"),
        pod("decrease-seats"),
    ]
    watching = Watching(board)

    reserve = watching.state("reserve", "awake")
    assert (reserve["instances"], reserve["since"]) == (2, "2026-11-28T12:00:03.000Z")
    assert sorted(one["seconds"] for one in reserve["wakings"]) == [3.0, 5.0]
    assert reserve["leastInstances"] == 1
    waking = watching.state("decrease-seats", "waking")
    assert (waking["folder"], waking["since"]) == ("flight-seats", "2026-11-28T12:00:00.000Z")
    assert waking["triggers"] == ["airline/decrease-seats-on-reservation-placed"]
    watching.answer.close()


def test_an_event_is_seen_at_once_with_those_who_want_it(board: Client, watching: Watching) -> None:
    watching.state("reserve", "asleep")
    placed = event("ReservationPlaced")

    assert deliver(board, placed).status_code == 204

    (seen,) = watching.until("events", bool)
    assert seen["triggers"] == [
        "airline/decrease-seats-on-reservation-placed",
        "airline/project-dashboard-on-every-event",
    ]
    assert seen["saidBy"] is None
    assert seen["event"]["data"] == placed["data"]
    assert seen["event"]["correlationid"] == placed["correlationid"]
    assert not [name for name in seen["event"] if name.startswith("knative")]


def test_who_comes_later_sees_the_last_events_in_their_order(board: Client, watching: Watching) -> None:
    deliver(board, event("ReservationPlaced"))
    deliver(board, event("Paid"))

    watching.until("events", bool)
    later = Watching(board)
    seen = later.until("events", lambda events: len(events) == 2)
    later.answer.close()

    assert [one["event"]["type"] for one in seen] == ["ReservationPlaced", "Paid"]
    assert seen[0]["offset"] < seen[1]["offset"]


def test_an_event_that_comes_once_more_as_a_dead_letter_is_seen_once(board: Client, watching: Watching) -> None:
    placed = event("ReservationPlaced")

    assert deliver(board, placed).status_code == 204
    assert deliver(board, placed | {"knativeerrordest": "http://board/looks-on"}).status_code == 204
    assert deliver(board, placed | {"id": "another"}).status_code == 204

    later = Watching(board)
    seen = later.until("events", bool)
    later.answer.close()
    assert [one["event"]["id"] for one in seen] == [placed["id"], "another"]


@pytest.mark.parametrize(("data", "type_"), [(json.dumps("x" * 5000), "application/json"), (b"\xff\xfe", "image/png")])
def test_data_that_are_too_large_or_no_json_are_left_out(
    board: Client, watching: Watching, data: str | bytes, type_: str
) -> None:
    about = {"specversion": "1.0", "id": "1", "source": "/x", "type": "Odd"}
    board.post("/", data=data, headers={f"ce-{name}": value for name, value in about.items()} | {"Content-Type": type_})

    (seen,) = watching.until("events", bool)
    assert "data" not in seen["event"]
    assert seen["dataBytes"] == (5002 if type_ == "application/json" else 2)


def test_the_documents_are_those_of_a_laptops_board(cluster: FakeKubernetes, board: Client, watching: Watching) -> None:
    deliver(board, event("Paid"))
    (seen,) = watching.until("events", bool)
    function = watching.state("reserve", "asleep")

    laptop, happenings = Picture(), Happenings(dict)
    about = {"folder": "reserve", "state": "asleep", "since": "", "pid": None, "starts": 0}
    laptop.services({"reserve": about | {"wakings": [], "triggers": []}})
    paid = Event({"type": "Paid", "id": "1", "source": "/x", "specversion": "1.0"}, b"{}")
    happenings.accepted(StoredEvent(1, 0, paid), (), None)
    there = laptop.snapshot()

    assert function.keys() - there["functions"]["reserve"].keys() == {"leastInstances"}
    assert seen.keys() == happenings._snapshot()["events"][0].keys()
    assert watching.seen.keys() - there.keys() == {"runtime"}


def test_an_api_that_does_not_answer_is_asked_again_and_its_figures_are_called_unknown(
    cluster: FakeKubernetes, board: Client
) -> None:
    cluster.status = 403
    watching = Watching(board)
    watching.until("runtime", lambda known: not known)

    cluster.status = 200
    watching.until("runtime", bool)
    for broken in (TOO_OLD, {"type": "ADDED", "object": {"metadata": {}}}):
        cluster.asked.clear()
        cluster.changes.put(broken)
        cluster.changes.put(None)
        eventually(cluster.lists, "everything is listed again")
    cluster.becomes("ADDED", pod("reserve"))
    assert watching.state("reserve", "waking")
    watching.answer.close()


def test_the_api_is_asked_only_while_somebody_watches_and_with_the_token_of_the_pod(
    cluster: FakeKubernetes, board: Client
) -> None:
    deliver(board, event("Paid"))
    assert cluster.asked == []

    watching = Watching(board)
    watching.state("reserve", "asleep")
    assert {token for _, token in cluster.asked} == {"Bearer secret"}
    watching.answer.close()
    cluster.changes.put(None)
    eventually(lambda: board_http._following()._thread is None, "nobody follows any more")
    asked = len(cluster.asked)

    deliver(board, event("Paid"))
    assert len(cluster.asked) == asked


def test_the_command_line_prints_the_events_of_a_cluster(hosted: Board) -> None:
    hosted.client.post("/", json=event("Paid"), headers=CLOUD_EVENT)

    with served(hosted) as address, requests.Session() as session:
        first = next(messages(Airline(address, session)))

    assert first["kind"] == "snapshot"
    assert [one["event"]["type"] for one in first["events"]] == ["Paid"]


def test_a_pod_without_a_service_account_says_that_it_knows_nobody(cluster: FakeKubernetes, board: Client) -> None:
    (cluster.cluster.account / "namespace").unlink()
    watching = Watching(board)

    assert watching.until("runtime", lambda known: not known) is False
    watching.answer.close()


def test_a_stream_ends_in_time_and_says_so(board: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_http, "LONGEST", 0.1)
    watching = Watching(board)

    assert list(watching.messages)[-1] == {"kind": "over"}


def test_who_was_behind_for_long_gets_the_state_of_everything(board: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = happenings.Happenings()
    for _ in range(happenings.MOST_CHANGES + 2):
        watched.away()
        watched.looked({}, (), [])

    _, document = watched.after(1, 0)
    assert document
    assert document["kind"] == "snapshot"


def test_one_watcher_too_many_is_asked_to_come_later(board: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "MOST_WATCHERS", 1)
    watching = Watching(board)

    assert_refused(board.get(FEED), 503)
    watching.answer.close()
    again = Watching(board)
    assert again.answer.status_code == 200
    again.answer.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{FEED}?after=1", 400),
        ("DELETE", FEED, 405),
        ("HEAD", FEED, 405),
        ("GET", "/", 404),
        ("GET", "/board", 404),
    ],
)
def test_whoever_asks_for_something_else_gets_a_problem_and_no_feed(
    board: Client, method: str, path: str, status: int
) -> None:
    assert board.open(path, method=method).status_code == status


def test_where_an_issuer_says_who_people_are_only_operators_watch(
    board: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ISSUER": "https://id.test", "AUDIENCE": "airline", "OWNER_CLAIM": "number"}.items():
        monkeypatch.setenv(f"IDENTITY_{name}", value)
    settings.cache_clear()

    assert_refused(board.get(FEED), 401)
    assert deliver(board, event("Paid")).status_code == 204


def test_what_is_no_event_is_refused(board: Client) -> None:
    assert_refused(board.post("/looks-on", data="{}", headers=CLOUD_EVENT), 400)
    assert_refused(board.post("/looks-on", data="{}", content_type="text/plain"), 415)
    abroad = CLOUD_EVENT | {"Origin": "http://evil.example"}
    assert_refused(board.post("/", data="{}", headers=abroad), 403)


def test_a_probe_needs_neither_a_database_nor_the_cluster(board: Client, cluster: FakeKubernetes) -> None:
    assert board.get("/healthz").status_code == 204
    assert cluster.asked == []


FILTERS = [
    ({}, True),
    ({"filter": {"attributes": {"type": "Paid"}}}, True),
    ({"filter": {"attributes": {"type": ""}}}, True),
    ({"filter": {"attributes": {"type": "Paid", "source": "/other"}}}, False),
    ({"filter": {"attributes": {"type": "Other"}}, "filters": [{"exact": {"type": "Paid"}}]}, True),
    ({"filters": [{"prefix": {"type": "Pa"}}, {"suffix": {"type": "id"}}]}, True),
    ({"filters": [{"prefix": {"absent": "P"}}]}, False),
    ({"filters": [{"any": [{"exact": {"type": "Other"}}, {"exact": {"type": "Paid"}}]}]}, True),
    ({"filters": [{"all": [{"exact": {"type": "Other"}}, {"exact": {"type": "Paid"}}]}]}, False),
    ({"filters": [{"not": {"exact": {"type": "Paid"}}}]}, False),
]
"""The spec of a Trigger, and whether it wants a payment."""
PAYMENT = {"type": "Paid", "source": "/airline/payment"}


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [*FILTERS, ({"filters": [{"prefix": {"absent": ""}}]}, False), ({"filters": [{"cesql": "type = 'Other'"}]}, True)],
)
def test_the_filters_of_a_trigger_say_who_wants_an_event(spec: dict[str, Any], wanted: bool) -> None:
    assert wants(spec, PAYMENT) is wanted


@pytest.mark.parametrize(("spec", "wanted"), FILTERS)
def test_the_broker_of_a_laptop_reads_the_same_filters_in_the_same_way(spec: dict[str, Any], wanted: bool) -> None:
    # the board and that broker may not import each other, so each has the dialects for itself
    assert compile_filter(spec)(PAYMENT) is wanted
