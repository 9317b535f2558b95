"""A look at every service at once: asleep ones wake side by side."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cli import client, reading
from cli.client import Airline
from cli.errors import CommandError

Answer = TypeVar("Answer")

SERVICES = ("reserve", "reserve-commands", "flight-seats", "payment", "dashboard", "dead-letters")


def services(airline: Airline) -> dict[str, CommandError | None]:
    """The HTTP functions by name, with what is wrong with them."""

    def describe(name: str) -> Callable[[], None]:
        return lambda: client.get(airline, f"/openapi/{name}.json") and None

    return _side_by_side({name: describe(name) for name in SERVICES})


def counts(airline: Airline) -> dict[str, int | CommandError]:
    """How many of what there are."""

    def of(path: str, **query: str) -> Callable[[], int]:
        return lambda: client.count(airline, path, **query)

    def unsent(name: str) -> Callable[[], int]:
        return lambda: int(reading.outbox(airline, name)["unsent"])

    return _side_by_side(
        {
            "flights": of("/flights"),
            **{
                f"reservations {status}": of("/reservations", status=status)
                for status in ("PENDING", "SUCCEED", "CANCELED")
            },
            "payments": of("/payments"),
            "customers": of("/customerInfos"),
            "dead letters OPEN": of("/dead-letters", status="OPEN"),
            **{f"unsent in {name}": unsent(name) for name in reading.OUTBOXES},
        }
    )


def _side_by_side(questions: Mapping[str, Callable[[], Answer]]) -> dict[str, Answer | CommandError]:
    with ThreadPoolExecutor(len(questions)) as pool:
        return dict(zip(questions, pool.map(_asked, questions.values()), strict=True))


def _asked(question: Callable[[], Answer]) -> Answer | CommandError:
    try:
        return question()
    except CommandError as error:
        return error
