"""One table says what each error is in HTTP, and every wrapper keeps to it."""

import importlib

import pytest

import choreography.errors as family
from choreography.errors import Problem
from choreography.problems import STATUS
from testbed.hosting import HostedAirline
from testbed.vocabulary import assert_refused, event

RULES = [
    ("confirm-reservation", "reservations.confirm_reservation", "Paid"),
    ("cancel-reservation", "reservations.cancel_reservation", "PaymentFailed"),
    ("charge-payment", "payments.begin_charge", "RemainingSeatsDecreased"),
    ("project-dashboard", "projection.project", "ReservationPlaced"),
]
"""Per Service, the rule that it asks, and a word that it hears."""


def descendants(error: type[Problem]) -> set[type[Problem]]:
    return {error}.union(*map(descendants, error.__subclasses__())) - {Problem}


def test_every_error_has_a_status() -> None:
    assert {error for error in descendants(Problem) if error.__module__ == family.__name__} == set(STATUS)


each_error = pytest.mark.parametrize("error", STATUS)


@each_error
@pytest.mark.parametrize("asked", RULES, ids=lambda asked: asked[0])
def test_a_policy_that_raises_an_error_answers_its_status(
    airline: HostedAirline, monkeypatch: pytest.MonkeyPatch, error: type[Problem], asked: tuple[str, str, str]
) -> None:
    service, rule, word = asked
    raising(monkeypatch, rule, error("not now"))

    assert_refused(airline.function(service).hear(event(word)), STATUS[error])


@each_error
def test_an_http_function_that_raises_an_error_answers_its_status(
    airline: HostedAirline, monkeypatch: pytest.MonkeyPatch, error: type[Problem]
) -> None:
    monkeypatch.setattr("flights.find_flight", lambda *_: raise_(error("not now")))

    assert_refused(airline.function("flight-seats").get("/flights/1"), STATUS[error])


def test_a_refusal_names_the_fields_of_an_invalid_event(airline: HostedAirline) -> None:
    broken = event("Paid", amount=-1, customerId=None)

    assert_refused(airline.function("confirm-reservation").hear(broken), 422, "amount", "customerId")


@pytest.mark.parametrize("service", ["confirm-reservation", "reserve"])
def test_a_crash_is_a_500_that_names_the_class_and_keeps_the_text_to_itself(
    airline: HostedAirline, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    monkeypatch.setattr("reservations.find", lambda *_: raise_(ZeroDivisionError("a secret")))
    raising(monkeypatch, "reservations.confirm_reservation", ZeroDivisionError("a secret"))
    function = airline.function(service)

    answer = function.hear(event("Paid")) if service == "confirm-reservation" else function.get("/reservations/x")

    assert_refused(answer, 500)
    assert "ZeroDivisionError" in answer.text
    assert "a secret" not in answer.text


def raise_(error: Exception) -> None:
    raise error


def raising(monkeypatch: pytest.MonkeyPatch, rule: str, error: Exception) -> None:
    """Lets a rule raise, with the signature that says what it hears."""
    module, _, name = rule.partition(".")
    real = getattr(importlib.import_module(module), name)

    def stand_in(*_: object) -> None:
        raise error

    stand_in.__annotations__ = dict(real.__annotations__)
    monkeypatch.setattr(rule, stand_in)
