"""The OpenAPI documents and the functions that serve them say the same."""

import importlib
import re
from typing import Any, NamedTuple
from urllib.parse import unquote

import hypothesis
import pytest
import schemathesis
from flask import Flask
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.python._constants.orchestrator import make_constants_value_source
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from testbed.hosting import HostedAirline
from testbed.vocabulary import DATA, RESERVATION, body_of, event
from tests.integration.documents import DOCUMENTED, paths_of, undocumented

MODULES = {
    "reserve": "reservations_api",
    "reserve-commands": "commands_api",
    "flight-seats": "flights_api",
    "payment": "payments_api",
    "dashboard": "dashboard_api",
    "dead-letters": "letters_api",
}
SINK = "/"
"""Where only the broker posts; nothing else is at this path, which main.py serves."""
ANSWERS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    allow_header_conformance,
]
OPERATIONS = [
    (service, path, verb.upper())
    for service in DOCUMENTED
    for path, verbs in paths_of(service).items()
    for verb in verbs
    if verb != "parameters"
]
READABLE = [(service, path) for service in DOCUMENTED for path, verbs in paths_of(service).items() if "get" in verbs]
WISH = {"customerId": 1, "flightId": 1, "seatQty": 3}
FLIGHT = {"flightCode": "ACE890", "takeoffDate": "2025-12-25", "cost": 1, "remainingSeatsCount": 5}
CANCELLATION = {"specversion": "1.0", "id": "1", "source": "/agency", "type": "CancellationRequested"}
Case = schemathesis.Case[Any]


class Sent(NamedTuple):
    """A command, and the status it gets."""

    service: str
    method: str
    path: str
    body: Any
    status: int


COMMANDS = [
    Sent("reserve", "POST", "/reservations", WISH, 201),
    Sent("reserve", "PATCH", "/reservations/{reservationId}", {"status": "CANCELED"}, 200),
    Sent("reserve", "DELETE", "/reservations/{reservationId}", None, 204),
    Sent("reserve-commands", "POST", "/events", CANCELLATION | {"data": DATA["CancellationRequested"]}, 202),
    Sent("flight-seats", "POST", "/flights", FLIGHT, 201),
    Sent("flight-seats", "POST", "/flights/import", {"flights": [{"key": "a", **FLIGHT}, {"key": "b"}]}, 200),
    Sent("flight-seats", "PATCH", "/flights/{flightId}", {"cost": "2"}, 200),
    Sent("flight-seats", "DELETE", "/flights/{flightId}", None, 204),
    Sent("dashboard", "POST", "/customerInfos/rebuild", None, 200),
    Sent("dead-letters", "POST", SINK, event("Paid"), 204),
    Sent("dead-letters", "POST", "/dead-letters/{id}/replay", None, 200),
    Sent("dead-letters", "POST", "/dead-letters/replay", {"type": "Paid"}, 200),
    Sent("dead-letters", "POST", "/dead-letters/{id}/discard", {"note": "why"}, 200),
]


@pytest.mark.parametrize(("service", "path", "method"), OPERATIONS)
def test_whatever_a_client_sends_it_gets_an_answer_that_is_documented(
    airline: HostedAirline, service: str, path: str, method: str
) -> None:
    @hypothesis.settings(deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck))
    def is_answered(case: Case) -> None:
        # functions-framework itself answers a path with a line break, in HTML
        hypothesis.assume("\n" not in unquote(case.formatted_path))
        case.call_and_validate(app=airline.function(service), checks=[*ANSWERS, *judgements(case)])

    # `schemathesis.pytest.parametrize` would make all requests while tests are collected, and in every worker
    schema = DOCUMENTED[service]
    sources = FeedbackSources(constants_value_source=make_constants_value_source(schema))
    sends_often = build_operation_test(
        config=schema.config,
        operation=schema[path][method],
        test_func=is_answered,
        given_kwargs={},
        feedback=sources,
    )
    sends_often()


@pytest.mark.parametrize(("service", "path"), READABLE)
def test_what_is_read_is_documented_to_the_last_field(airline: HostedAirline, service: str, path: str) -> None:
    case = DOCUMENTED[service][path]["GET"].Case(path_parameters=something_of_everything(airline))

    answer = case.call_and_validate(app=airline.function(service), checks=ANSWERS)

    assert answer.status_code == (204 if path == "/healthz" else 200)
    assert undocumented(service, path, answer) == []


@pytest.mark.parametrize("sent", COMMANDS, ids=lambda sent: f"{sent.method} {sent.path}")
def test_what_a_command_answers_is_documented_to_the_last_field(airline: HostedAirline, sent: Sent) -> None:
    names, body = something_of_everything(airline), {"body": sent.body, "media_type": "application/json"}
    case = DOCUMENTED[sent.service][sent.path][sent.method].Case(path_parameters=names, **(body if sent.body else {}))

    answer = case.call_and_validate(app=airline.function(sent.service), checks=ANSWERS)

    assert answer.status_code == sent.status
    assert undocumented(sent.service, sent.path, answer) == []


@pytest.mark.parametrize("service", DOCUMENTED)
def test_every_route_is_documented_and_every_documented_route_is_there(service: str) -> None:
    app: Flask = importlib.import_module(MODULES[service]).app
    routes = {
        (re.sub(r"<(?:[^<>:]+:)?\w+>", "{}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    verbs = {
        (path, verb.upper()) for path, verbs in paths_of(service).items() for verb in verbs if verb != "parameters"
    }

    assert {(re.sub(r"{\w+}", "{}", path), verb) for path, verb in verbs} - {(SINK, "POST")} == routes


@pytest.mark.parametrize("service", DOCUMENTED)
def test_a_document_is_the_one_its_function_serves(airline: HostedAirline, service: str) -> None:
    assert airline.function(service).get("/openapi.json").json == DOCUMENTED[service].raw_schema


def judgements(case: Case) -> list[CheckFunction]:
    """Checks that what fits the document is accepted and nothing else, where a document can say what fits."""
    if case.path in (SINK, "/events"):
        return []  # of the two modes of a CloudEvent, one is in the headers and one is in the body
    if {"Idempotency-Key", "If-Match", "If-None-Match"} & set(case.headers) or "after" in (case.query or {}):
        # a key may have been used for another request, a condition not be met, a cursor not be from a link
        return [unsupported_method, negative_data_rejection]
    return [unsupported_method, negative_data_rejection, positive_data_acceptance]


def something_of_everything(airline: HostedAirline) -> dict[str, Any]:
    """Lets a little happen, and says by which names there is something to read now."""
    wish = event("ReservationRequested")
    airline.function("place-reservation").hear(wish)
    airline.function("decrease-seats").hear(event("ReservationPlaced", flightId=1002))
    airline.function("charge-payment").hear(event("RemainingSeatsDecreased"))
    (airline.data / "summer-event.txt").write_text("[SUMMER EVENT] 50% DISCOUNT!")
    airline.settings["PROMOTIONS_FOLDER"] = str(airline.data)
    for word in ("ReservationPlaced", "ReservationCanceled"):
        airline.function("project-dashboard").hear(event(word))
    airline.function("dead-letters").hear(event("Paid"))
    letters = body_of(airline.function("dead-letters").get("/dead-letters"))["_embedded"]["deadLetters"]
    numbers = {"flightId": 1001, "paymentId": 1, "customerId": 7}
    return {"reservationId": RESERVATION, "id": letters[0]["id"]} | numbers
