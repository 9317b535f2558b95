"""Every log line of a call names the reservation, the event and the trace that it is about."""

import errno
import io
import json
import sys
from http import HTTPStatus
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from airline.events import AIRLINE
from choreography import logs, store
from testbed.hosting import HostedAirline
from testbed.project import ROOT
from testbed.recording_broker import RecordingBroker
from testbed.vocabulary import CLOUD_EVENT, RESERVATION, body_of, event, place

SCHEMA = Draft202012Validator(json.loads((ROOT / "observability" / "log-line.schema.json").read_text("utf-8")))
TRACE = "0af7651916cd43dd8448eb211c80319c"
Lines = pytest.CaptureFixture[str]


def last(captured: Lines) -> dict[str, Any]:
    """The last line that a function has logged."""
    lines = [json.loads(line) for line in captured.readouterr().out.splitlines()]
    for line in lines:
        SCHEMA.validate(line)
    return dict(lines[-1])


@pytest.fixture(autouse=True)
def talkative(airline: HostedAirline) -> None:
    airline.settings["LOG_LEVEL"] = "INFO"


@pytest.mark.parametrize(("service", "status"), [("decrease-seats", 200), ("project-dashboard", 204)])
def test_a_policy_and_an_observer_name_the_reservation_of_an_event(
    airline: HostedAirline, capsys: Lines, service: str, status: int
) -> None:
    airline.function(service).hear(event("ReservationPlaced"))

    line = last(capsys)
    assert (line["message"], line["status"]) == (
        "handled ReservationPlaced",
        200 if service == "decrease-seats" else 204,
    )
    assert (line["service"], line["reservationId"], line["traceId"]) == (service, RESERVATION, TRACE)
    assert line["eventId"] == AIRLINE.event_id("ReservationPlaced", RESERVATION)


def test_a_refusal_names_the_reservation_that_only_the_data_name(airline: HostedAirline, capsys: Lines) -> None:
    broken = event("Paid", amount=-1)
    del broken["correlationid"]

    airline.function("confirm-reservation").hear(broken)

    assert (line := last(capsys))["message"].startswith("refused: amount")
    assert line["reservationId"] == RESERVATION


def test_a_report_about_many_reservations_names_none(airline: HostedAirline, capsys: Lines) -> None:
    report = event("SagasSettled")
    del report["correlationid"]

    airline.function("settle-reservations").hear(report)

    assert "reservationId" not in last(capsys)


def test_a_command_names_the_reservation_and_the_event_that_it_made(
    airline: HostedAirline, broker: RecordingBroker, capsys: Lines
) -> None:
    made = place(airline)

    line = last(capsys)
    assert (line["message"], line["reservationId"]) == ("POST /reservations", made["reservationId"])
    assert line["eventId"] == broker.accepted[0]["id"]


def test_a_command_from_outside_names_the_reservation_that_it_is_promised(
    airline: HostedAirline, capsys: Lines
) -> None:
    wish = {"customerId": 7, "flightId": 1001, "seatQty": 3}
    asked = {"specversion": "1.0", "id": "order-1", "source": "/agency/7", "type": "ReservationRequested", "data": wish}

    answer = airline.function("reserve-commands").post("/events", data=json.dumps(asked), headers=CLOUD_EVENT)

    line = last(capsys)
    assert (line["reservationId"], line["eventId"]) == (body_of(answer)["reservationId"], "order-1")


@pytest.mark.parametrize(
    ("service", "path", "reservation"),
    [
        ("reserve", f"/reservations/{RESERVATION}", RESERVATION),
        ("dashboard", f"/reservations/{RESERVATION}/events", RESERVATION),
        ("reserve", "/reservations", None),
        ("flight-seats", "/flights/1", None),
    ],
)
def test_a_question_about_a_reservation_names_it(
    airline: HostedAirline, capsys: Lines, service: str, path: str, reservation: str | None
) -> None:
    airline.function(service).get(path)

    line = last(capsys)
    assert (line["message"], line.get("reservationId")) == (f"GET {path}", reservation)


def test_a_refusal_a_crash_a_tick_and_an_unsent_event_are_lines_of_the_same_form(
    airline: HostedAirline, broker: RecordingBroker, capsys: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.refuses_all = 503
    place(airline)
    airline.function("reserve-housekeeping").hear({**event("ReservationPlaced"), "type": "dev.knative.sources.ping"})
    airline.function("dashboard").post("/customerInfos/rebuild?dryRun=true")
    airline.function("confirm-reservation").hear(event("Paid", amount=-1))
    monkeypatch.setattr(store, "commit", broken)
    airline.function("confirm-reservation").hear(event("Paid"))

    line = last(capsys)
    assert (line["level"], line["service"]) == ("ERROR", "confirm-reservation")
    assert "a disk has burnt" in line["exception"]


def broken(*_: object) -> None:
    raise OSError("a disk has burnt")


@pytest.mark.parametrize(
    "wrong",
    [{"level": "LOUD"}, {"traceId": "short"}, {"status": "200"}, {"time": "yesterday"}, {"data": {"customerId": 1}}],
)
def test_a_line_of_another_form_is_found(wrong: dict[str, Any]) -> None:
    line = {"time": "2026-11-28T09:00:00.000Z", "level": "INFO", "service": "reserve", "message": "handled Paid"}
    SCHEMA.validate(line)

    assert not SCHEMA.is_valid(line | wrong)


def test_what_is_noted_outside_of_a_call_is_in_no_later_line(airline: HostedAirline, capsys: Lines) -> None:
    logs.note(reservationId=RESERVATION)

    report = event("SagasSettled")
    del report["correlationid"]
    airline.function("settle-reservations").hear(report)

    assert "reservationId" not in last(capsys)


class Full(io.StringIO):
    """A file on a full disk."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_event_is_kept_though_the_disk_has_no_room_for_its_log_line(
    airline: HostedAirline, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.configure.cache_clear()
    monkeypatch.setattr(sys, "stdout", Full())

    heard = airline.function("project-dashboard").hear(event("ReservationPlaced"))

    assert heard.status_code == HTTPStatus.NO_CONTENT
    assert len(airline.rows("dashboard-projector", "SELECT * FROM events")) == 1
