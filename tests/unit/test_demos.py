"""What the demos draw, count, and read from siege, kubectl and state.json."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import requests

from client import gateway
from client.gateway import Airline
from demos import charts, checks, cluster, hpa, kubectl, laptop, load, results, rollout
from demos.errors import DemoFailed
from demos.hpa import Reading
from demos.instances import Instance, Sample, State
from demos.load import Availability, Load, Target
from demos.running_airline import RunningAirline
from demos.watching import Watch
from terminal import tables
from terminal.console import plain
from testbed.listening import Quiet, listening


def sample(at: float, **states: tuple[State, ...]) -> Sample:
    """What was seen at a moment, the states of each function's instances."""
    found = [
        Instance(name, f"{name}-{number}", state) for name, all_ in states.items() for number, state in enumerate(all_)
    ]
    return Sample(at, tuple(found))


def rows(drawn: str) -> dict[str, str]:
    """The lines of a chart by the function they are about."""
    lines = (line.split(maxsplit=1) for line in drawn.splitlines())
    return {line[0]: line[1] for line in lines if len(line) == 2}


def test_a_chart_shows_how_a_function_wakes_multiplies_and_falls_asleep() -> None:
    seen = [
        sample(0.0),
        sample(0.5, pay=("starting",)),
        sample(1.0, pay=("ready",)),
        sample(1.5, pay=("ready", "ready", "starting")),
        sample(2.0, pay=("leaving", "ready")),
        sample(2.5, pay=("leaving",)),
        sample(3.0),
    ]
    drawn = rows(charts.chart(seen, ["pay", "seats"]))
    assert drawn["pay"] == ".+121~."
    assert drawn["seats"] == "......."


def test_an_instance_that_was_there_for_a_moment_is_on_a_chart_of_an_hour() -> None:
    seen = [sample(0.0), sample(7.0, pay=("ready",)), sample(8.0), sample(3600.0)]
    drawn = rows(charts.chart(seen, ["pay"]))
    assert drawn["pay"].startswith("1")
    assert len(drawn["pay"]) <= charts.COLUMNS
    assert rows(charts.chart(seen, ["pay"]))["seconds"].split() == [
        "0",
        "500",
        "1000",
        "1500",
        "2000",
        "2500",
        "3000",
        "3500",
    ]


def test_seconds_in_which_nobody_looked_are_drawn_as_they_were_before() -> None:
    assert rows(charts.chart([sample(0.0, pay=("ready",)), sample(2.0)], ["pay"]))["pay"] == "1111."


def test_more_than_nine_instances_are_drawn_as_nine() -> None:
    assert rows(charts.chart([sample(0.0, pay=("ready",) * 12)], ["pay"]))["pay"] == "9"


def test_a_chart_of_nothing_has_no_columns() -> None:
    assert charts.chart([], ["pay"]).splitlines()[0].strip() == "pay"


def test_a_table_has_words_on_the_left_and_numbers_on_the_right() -> None:
    drawn = tables.table(("function", "starts"), [("pay", 2), ("decrease-seats", 10), ("none", None)])
    assert plain(drawn).splitlines() == [
        "function        starts",
        "pay                  2",
        "decrease-seats      10",
        "none",
    ]


def test_of_many_times_the_least_the_median_and_the_greatest_are_shown() -> None:
    assert charts.spread([3.0, 1.0, 1.5]) == {"least": 1.0, "median": 1.5, "greatest": 3.0}
    assert charts.spread([]) == {}
    assert (charts.seconds(1.234), charts.seconds(None)) == ("1.23 s", "")


def test_a_function_is_awake_unless_all_it_has_is_leaving() -> None:
    seen = sample(0.0, pay=("leaving",), seats=("leaving", "starting"), reserve=("ready",))
    assert seen.awake({"pay", "seats"}) == {"seats"}
    assert charts.functions_seen([seen]) == ["pay", "seats", "reserve"]


def looks(*seen: list[Instance]) -> Watch:
    """A watch that sees these one after the other, and then the last for ever."""
    left = list(seen)
    return Watch(lambda: left.pop(0) if len(left) > 1 else left[0], pause=0.001)


def test_a_watch_waits_until_all_functions_are_asleep() -> None:
    with looks([Instance("pay", "pay-1", "ready")], [Instance("pay", "pay-1", "leaving")]) as watch:
        watch.until_asleep({"pay"}, within=10)
    assert watch.samples[0].awake({"pay"})
    assert not watch.samples[-1].awake({"pay"})


def test_a_watch_names_who_does_not_fall_asleep() -> None:
    with (
        looks([Instance("pay", "pay-1", "ready")]) as watch,
        pytest.raises(DemoFailed, match=r"within 0.05 s.*awake: pay"),
    ):
        watch.until_asleep({"pay", "seats"}, within=0.05)


def test_a_watch_keeps_how_an_instance_started_when_it_leaves() -> None:
    with looks([Instance("pay", "pay-1", "ready", 1.5)], [Instance("pay", "pay-1", "leaving", None)]) as watch:
        watch.until_asleep({"pay"}, within=10)
    assert watch.instances() == [Instance("pay", "pay-1", "leaving", 1.5)]


def test_a_look_that_fails_ends_the_wait_and_the_demo() -> None:
    def fails() -> list[Instance]:
        raise DemoFailed("no cluster")

    def whole() -> None:
        with Watch(fails, 0.001) as watch:
            watch.until(lambda _: True, "anything", within=10)

    with pytest.raises(DemoFailed, match="no cluster"):
        whole()
    with pytest.raises(DemoFailed, match="no cluster"), Watch(fails, 0.001):
        pass


SIEGE = """
{	"transactions":			          58,
	"availability":			       98.31,
	"elapsed_time":			       59.39,
	"successful_transactions":	          58,
	"failed_transactions":		           1,
	"longest_transaction":		        0.72,
	"shortest_transaction":		        0.00
}
"""


def test_the_figures_of_siege_are_read() -> None:
    found = load.read_siege(f"New configuration template added to /tmp/x/.siege\n{SIEGE}")
    assert str(found) == "siege: 58 answered, 1 failed, availability 98.31 %, longest 0.72 s"


@pytest.mark.parametrize("said", ["siege: command failed", "{}", "{broken}"])
def test_a_siege_that_prints_no_figures_fails_the_demo(said: str) -> None:
    with pytest.raises(DemoFailed, match="siege printed no figures"):
        load.read_siege(said)


@pytest.fixture
def airline() -> Iterator[tuple[str, list[str]]]:
    """A gateway that turns away every third caller; and the names it was asked for."""
    asked: list[str] = []

    class Gateway(Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Host"])
            self.send_response(503 if len(asked) % 3 == 0 else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with listening(Gateway) as url:
        yield url, asked


def test_our_own_clients_count_whom_the_gateway_turned_away(airline: tuple[str, list[str]]) -> None:
    url, asked = airline
    found = load.by_ourselves(Target(url, "gateway.airline.example.com"), Load(clients=2, seconds=1, delay=0.05))
    assert found.failed == len(asked) // 3 > 0
    assert found.transactions + found.failed == len(asked)
    assert found.availability == pytest.approx(100 * found.transactions / len(asked))
    assert {*asked} == {"gateway.airline.example.com"}


def test_nobody_at_the_address_means_no_availability() -> None:
    found = load.by_ourselves(Target("http://127.0.0.1:9/flights"), Load(clients=1, seconds=1, delay=0.2))
    assert (found.transactions, found.availability) == (0, 0.0)


def pod(ready: str | None, **metadata: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready, "lastTransitionTime": "2027-01-01T00:00:03Z"}] if ready else []
    made = {"name": "pay-1", "creationTimestamp": "2027-01-01T00:00:01Z", "labels": {cluster.OF_A_SERVICE: "pay"}}
    return {"metadata": made | metadata, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("found", "instance"),
    [
        (pod(None), Instance("pay", "pay-1", "starting")),
        (pod("False"), Instance("pay", "pay-1", "starting")),
        (pod("True"), Instance("pay", "pay-1", "ready", 2.0)),
        (pod("False", deletionTimestamp="2027-01-01T00:00:09Z"), Instance("pay", "pay-1", "leaving")),
    ],
)
def test_a_pod_is_an_instance(found: dict[str, Any], instance: Instance) -> None:
    assert cluster.instance(found) == instance


def test_a_process_of_the_laptop_is_an_instance_of_its_own_at_each_start() -> None:
    services = {
        "pay": {"state": "asleep", "starts": 1, "coldStarts": [0.5]},
        "seats": {"state": "awake", "starts": 2, "coldStarts": [0.5, 0.7]},
        "reserve": {"state": "starting", "starts": 3, "coldStarts": [0.5, 0.7]},
    }
    assert laptop.instances({"services": services}) == [
        Instance("seats", "seats-2", "ready", 0.7),
        Instance("reserve", "reserve-3", "starting", None),
    ]


def service(**annotations: str) -> dict[str, Any]:
    full = {f"autoscaling.knative.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return {"spec": {"template": {"metadata": {"annotations": full}}}}


@pytest.mark.parametrize(
    ("found", "may"),
    [
        (service(), True),
        (service(min_scale="0"), True),
        (service(min_scale="1"), False),
        (service(**{"class": "hpa.autoscaling.knative.dev"}), False),
    ],
)
def test_only_functions_without_a_least_scale_and_without_hpa_fall_asleep(found: dict[str, Any], may: bool) -> None:
    assert cluster.may_sleep(found) == may


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({}, ("http://gateway.airline.test", None)),
        ({"AIRLINE_URL": "http://gateway.airline.test:8080"}, ("http://gateway.airline.test:8080", None)),
        ({"AIRLINE_URL": "http://127.0.0.1:8080"}, ("http://127.0.0.1:8080", "gateway.airline.test")),
        ({"AIRLINE_URL": "http://127.0.0.1:8080", "AIRLINE_HOST": "air"}, ("http://127.0.0.1:8080", "air")),
    ],
)
def test_the_gateway_is_asked_by_its_name_where_its_address_is_another(
    environment: dict[str, str], address: tuple[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AIRLINE_URL", "AIRLINE_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cluster.address({"status": {"url": "http://gateway.airline.test"}}) == address


def test_a_gateway_without_a_url_is_not_ready() -> None:
    with pytest.raises(DemoFailed, match="not Ready"):
        cluster.address({"status": {}})


def test_a_demo_shows_the_token_that_the_command_line_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRLINE_TOKEN", "of.an.operator")
    running = RunningAirline("here", "http://127.0.0.1:9", None, frozenset(), list, 1.0)

    assert gateway.token_of(running.connect()) == "of.an.operator"


def test_ready_is_what_is_ready_as_it_is_written_now() -> None:
    conditions = [{"type": "Ready", "status": "True"}]
    assert kubectl.is_ready(
        {"metadata": {"generation": 2}, "status": {"observedGeneration": 2, "conditions": conditions}}
    )
    assert not kubectl.is_ready(
        {"metadata": {"generation": 2}, "status": {"observedGeneration": 1, "conditions": conditions}}
    )
    assert not kubectl.is_ready({"metadata": {"generation": 1}})


def autoscaler(revision: str, replicas: int = 1, cpu: int | None = None) -> dict[str, Any]:
    metric = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": cpu}}}
    status = {"currentReplicas": replicas, "desiredReplicas": replicas, "currentMetrics": [metric]}
    return {"metadata": {"name": revision}, "status": status}


def test_the_autoscaler_is_read_before_and_after_it_has_measured() -> None:
    assert hpa.read([{}], 1.0) == Reading(1.0, 0, 0, None)
    assert hpa.read([autoscaler("flight-seats-00001", 3, 160)], 2.0) == Reading(2.0, 3, 3, 160)


def test_the_autoscalers_of_a_canary_and_of_the_revision_beside_it_are_read_together() -> None:
    both = hpa.read([autoscaler("flight-seats-00001", 3, 90), autoscaler("flight-seats-00002", 1, 160)], 1.0)

    assert both == Reading(1.0, 4, 4, 160, least=2)
    assert not both.at_rest
    assert hpa.read([autoscaler("flight-seats-00001"), autoscaler("flight-seats-00002")], 1.0).at_rest


@dataclass(frozen=True)
class Rolled(kubectl.Namespace):
    """A namespace with two revisions of flight-seats, each with its autoscaler, and how the traffic is shared."""

    percent: Mapping[str, int]

    def get(self, *words: str) -> Any:
        if words[0] == "hpa":
            return {"items": [autoscaler("flight-seats-00001"), autoscaler("flight-seats-00002")]}
        targets = [{"revisionName": name, "percent": share} for name, share in self.percent.items()]
        return {"status": {"traffic": targets}}


@pytest.mark.parametrize(
    ("percent", "watched"),
    [
        ({"flight-seats-00001": 100}, ["flight-seats-00001"]),
        ({"flight-seats-00001": 90, "flight-seats-00002": 10}, ["flight-seats-00001", "flight-seats-00002"]),
        ({"flight-seats-00001": 100, "flight-seats-00002": 0}, ["flight-seats-00001"]),
    ],
)
def test_after_a_rollback_the_revision_that_has_the_traffic_is_watched(
    percent: dict[str, int], watched: list[str]
) -> None:
    assert [one["metadata"]["name"] for one in hpa.autoscalers(Rolled("airline", percent))] == watched


def test_a_function_without_traffic_or_autoscaler_is_reported() -> None:
    with pytest.raises(DemoFailed, match="not Ready"):
        hpa.autoscalers(Rolled("airline", {}))
    with pytest.raises(DemoFailed, match="flight-seats-00003 in airline: the overlay needs components/hpa"):
        hpa.autoscalers(Rolled("airline", {"flight-seats-00003": 100}))


def test_of_the_autoscaler_only_changes_are_shown_with_the_greatest_load_meanwhile() -> None:
    readings = [
        Reading(0, 1, 1, None),
        Reading(1, 1, 1, 20),
        Reading(2, 1, 3, 90),
        Reading(3, 1, 3, 160),
        Reading(9, 3, 3, 40),
    ]
    assert [line.split() for line in hpa.table(readings).splitlines()[1:]] == [
        ["0", "1", "1", "20", "%"],
        ["2", "1", "3", "160", "%"],
        ["9", "3", "3", "40", "%"],
    ]


def test_half_of_the_sagas_of_a_rollout_come_by_event_and_half_are_canceled() -> None:
    orders = rollout.orders(8)
    assert len({order.customer for order in orders}) == 8
    assert [sum(order.by_event for order in orders), sum(order.canceled for order in orders)] == [4, 4]
    assert sum(order.by_event and order.canceled for order in orders) == 2


def test_rounds_of_load_are_one_load() -> None:
    rounds = [Availability("siege", 90, 0, 100.0, 0.5), Availability("siege", 90, 20, 81.82, 2.5)]
    assert load.together(rounds) == Availability("siege", 180, 20, 90.0, 2.5)
    assert load.together(rounds[:1]) == rounds[0]


def test_a_result_file_replaces_the_one_before(tmp_path: Path) -> None:
    for figure in (1, 2):
        as_text, as_json = results.write(tmp_path / "results", "hpa", f"text {figure}", {"figure": figure})
    assert as_text.read_text("utf-8") == "text 2\n"
    assert json.loads(as_json.read_text("utf-8"))["figure"] == 2


def test_a_demo_does_not_begin_where_so_many_dead_letters_are_open_that_nobody_counts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = {"_embedded": {"deadLetters": [{}]}, "page": {"totalElements": 1000, "totalIsLeast": True}}
    monkeypatch.setattr(gateway, "get", lambda *_, **__: counted)

    with pytest.raises(DemoFailed, match="1,000 or more dead letters are open"):
        checks.open_letters(Airline("http://airline.test", requests.Session()))
