"""Every metric that a rule or a dashboard asks for exists, and has the value that it should; a function that is down
fires its alert."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from promql_parser import VectorSelector, parse, walk

from broker.embedded.yaml_documents import yaml_documents
from choreography import clock, measures, outbox, serving, spans, wire
from cli import law_metrics
from client.reconciliation import Verdict
from laptop.board import metrics as board
from observability.dashboards import queries
from testbed.broker_process import start_broker, trigger
from testbed.hosting import HostedAirline
from testbed.project import ROOT
from testbed.recording_broker import RecordingBroker
from testbed.running_system import eventually
from testbed.telemetry_receiver import telemetry_receiver
from testbed.vocabulary import event, place

RULES = ROOT / "observability" / "rules.yaml"
PROMTOOL = shutil.which("promtool")
TICK = {"specversion": "1.0", "id": "t", "source": "/ping", "type": "dev.knative.sources.ping", "data": {}}
HOUSEKEEPING = ("reserve-housekeeping", "payment-housekeeping", "dashboard-housekeeping")
GROUPS = yaml_documents(RULES)[0]["groups"]
ALERTS = [rule["expr"] for group in GROUPS for rule in group["rules"]]

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""By name and labels."""


def samples(text: str) -> Samples:
    found = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(each.name, tuple(sorted(each.labels.items()))): each.value for each in found}


def asked(query: str) -> set[str]:
    """The metrics that a query reads."""
    found: set[str] = set()

    def visit(node: Any) -> bool:
        if isinstance(node, VectorSelector):
            found.add(str(node.name))
        return True

    walk(parse(query), visit)
    return found


@pytest.fixture
def folder(airline: HostedAirline, tmp_path: Path) -> Path:
    """The folder in which functions leave their figures."""
    airline.settings["METRICS_FOLDER"] = str(tmp_path / "metrics")
    return tmp_path / "metrics"


def tick(airline: HostedAirline) -> None:
    for service in HOUSEKEEPING:
        assert airline.function(service).hear(TICK).status_code == 204


def left(folder: Path) -> Samples:
    """What the functions have left behind, as a laptop's /metrics shows it."""
    return samples(board.exposition(folder.parent, b"").decode())


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


def test_a_tick_tells_what_the_books_say_and_counts_no_repeat(
    airline: HostedAirline, broker: RecordingBroker, folder: Path
) -> None:
    first, _ = place(airline), place(airline)
    for _ in range(2):
        for said in (
            event("ReservationPlaced", reservationId=first["reservationId"]),
            event("Paid", reservationId=first["reservationId"], amount=600_000),
        ):
            airline.function("project-dashboard").hear(said)
        airline.function("confirm-reservation").hear(event("Paid", reservationId=first["reservationId"]))
    tick(airline)

    found = left(folder)
    assert value(found, "airline_reservations", status="PENDING") == 1
    assert value(found, "airline_reservations", status="SUCCEED") == 1
    assert value(found, "airline_seats_sold") == first["seatQty"]
    assert value(found, "airline_sagas_in_flight") == 1
    assert value(found, "airline_owed") == 2
    assert value(found, "airline_money_taken") == 600_000
    assert value(found, "airline_money_refunded") == 0
    assert value(found, "function_outbox_waiting", service="reserve") == 0
    assert value(found, "laptop_figures_timestamp_seconds", function="reserve-housekeeping") > time.time() - 60


def test_a_cancel_is_counted_by_why_and_what_waits_by_its_age(
    airline: HostedAirline, broker: RecordingBroker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.refuses_all = 503
    made = place(airline)
    no_seats = event("SeatsSoldOut")
    for said in (
        event("ReservationPlaced"),
        no_seats,
        event("ReservationCanceled") | {"causationid": no_seats["id"]},
    ):
        airline.function("project-dashboard").hear(said)
    for relay in outbox._relays.values():
        relay.end()
    later = datetime.now(UTC) + timedelta(minutes=11)
    monkeypatch.setattr(clock, "now", lambda: later)
    tick(airline)

    found = left(folder)
    assert made["status"] == "PENDING"
    assert value(found, "airline_reservations_canceled", reason="no-seats") == 1
    assert value(found, "airline_reservations_canceled", reason="customer") == 0
    assert value(found, "function_outbox_waiting", service="reserve") == 1
    assert 600 < value(found, "function_outbox_oldest_seconds", service="reserve") < 720
    assert 600 < value(found, "airline_saga_oldest_seconds") < 720


def test_an_open_dead_letter_is_told_as_soon_as_it_comes(airline: HostedAirline, folder: Path) -> None:
    letter = event("Paid") | {"knativeerrordest": "http://confirm-reservation.airline.svc.cluster.local"}

    assert airline.function("dead-letters").hear(letter).status_code == 204

    assert value(left(folder), "airline_dead_letters_open") == 1


def test_figures_that_cannot_be_told_are_no_reason_to_fail(
    airline: HostedAirline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "metrics").write_text("not a folder")
    airline.settings["METRICS_FOLDER"] = str(tmp_path / "metrics")

    tick(airline)

    assert "the figures could not be exported" in capsys.readouterr().out


def test_every_metric_of_a_rule_or_a_dashboard_is_exported_by_somebody(
    airline: HostedAirline, broker: RecordingBroker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.process, "ready", time.time())
    with telemetry_receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
        for cached in (spans.tracers, measures.meters, measures._histogram):
            cached.cache_clear()
        spans._woken.clear()
        place(airline)
        airline.function("dead-letters").hear(event("Paid"))
        tick(airline)
        measures.meters().shutdown()
        pushed = {f"{name}{end}" for name in receiver.metrics for end in ("", "_bucket", "_count", "_sum")}
        assert receiver.spans == []
    for cached in (spans.tracers, measures.meters, measures._histogram):
        cached.cache_clear()
    law_metrics.write(folder / "reconcile.prom", Verdict([], [], 0, {}, 0.0))
    awake = {"state": "awake", "starts": 1, "crashes": 0, "coldStarts": [0.5]}
    (folder.parent / "state.json").write_text(json.dumps({"services": {"reserve": awake}}))
    exported = {name for name, _ in left(folder)} | pushed | {name for name, _ in of_idle_broker(folder.parent)}

    missing = {query: names for query in [*queries(), *ALERTS] if (names := asked(query) - exported)}
    assert missing == {}


def of_idle_broker(folder: Path) -> Samples:
    """What a broker counts that has delivered one event."""
    with start_broker(folder, [trigger("t", "http://127.0.0.1:9/", "Paid")]) as running:
        publish(running.port)
        return scraped(running.port)


def publish(port: int, number: int = 1) -> None:
    said = {"specversion": "1.0", "id": f"e{number}", "source": "/s", "type": "Paid", "data": {}}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/benchmark/broker", wire.pack(said))
    request.add_header("Content-Type", wire.CLOUD_EVENT_JSON)
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 202


def scraped(port: int) -> Samples:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return samples(answer.read().decode())


def test_what_is_counted_of_a_trigger_is_what_became_of_its_events(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    with start_broker(tmp_path, [trigger("down", address, "Paid")]) as running:
        labels = {"trigger": "benchmark/down", "subscriber": "127.0.0.1"}
        assert value(scraped(running.port), "broker_trigger_backlog", **labels) == 0
        publish(running.port)

        found = eventually(lambda: after(running.port, 2, labels), "two attempts have failed")
        assert value(found, "broker_events_accepted_total", type="Paid") == 1
        assert value(found, "broker_trigger_backlog", **labels) == 1
        assert value(found, "broker_trigger_backlog_age_seconds", **labels) > 0
        assert value(found, "broker_attempt_seconds_count", **labels) >= 2
        assert value(found, "broker_trigger_delivered_total", **labels) == 0


def after(port: int, retries: int, labels: dict[str, str]) -> Samples:
    """What is scraped once that many attempts were repeated; nothing until then."""
    found = scraped(port)
    return found if value(found, "broker_trigger_retries_total", **labels) >= retries else {}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is missing; the package prometheus of Debian and Ubuntu has it")
def test_a_function_that_was_killed_fires_its_alert(tmp_path: Path) -> None:
    down = subprocess.Popen(["python3", "-c", LISTENER], stdout=subprocess.PIPE, text=True)
    assert down.stdout is not None
    address = f"http://127.0.0.1:{down.stdout.readline().strip()}/"
    with start_broker(tmp_path, [trigger("killed", address, "Paid")]) as running:
        labels = {"trigger": "benchmark/killed", "subscriber": "127.0.0.1"}
        publish(running.port)
        well = eventually(lambda: delivered(running.port, labels), "the first event is delivered")
        down.kill()
        down.wait()
        publish(running.port, 2)
        ill = eventually(lambda: after(running.port, 3, labels), "its attempts fail")
    down.stdout.close()

    assert firing(tmp_path, [well] * 5) == set()
    assert firing(tmp_path, [well, well, ill, ill, ill]) == {"DeliveriesFail"}


LISTENER = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Function(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(204); self.end_headers()
    def log_message(self, *_): pass
server = HTTPServer(("127.0.0.1", 0), Function)
print(server.server_port, flush=True)
server.serve_forever()
"""


def delivered(port: int, labels: dict[str, str]) -> Samples:
    found = scraped(port)
    return found if value(found, "broker_trigger_delivered_total", **labels) == 1 else {}


def firing(folder: Path, scrapes: list[Samples]) -> set[str]:
    """The alerts that the rules fire on what was scraped, a scrape each minute; said by promtool."""
    alerts = [rule["alert"] for group in GROUPS for rule in group["rules"]]
    return {alert for alert in alerts if not passes(folder, scrapes, alert)}


def passes(folder: Path, scrapes: list[Samples], alert: str) -> bool:
    """Whether the alert is silent at the end."""
    silent = {"expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)', "eval_time": "4m"}
    test = {
        "interval": "1m",
        "input_series": list(series(scrapes)),
        "promql_expr_test": [silent | {"exp_samples": [{"labels": "{}", "value": 0}]}],
    }
    file = folder / "scraped.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, "test", "rules", str(file)], capture_output=True, check=False).returncode == 0


def series(scrapes: list[Samples]) -> Iterable[dict[str, str]]:
    for name, labels in scrapes[-1]:
        text = ",".join(f'{label}="{of}"' for label, of in labels)
        values = " ".join(str(scrape.get((name, labels), 0)) for scrape in scrapes)
        yield {"series": f"{name}{{{text}}}", "values": values}
