"""`airline status`: each service and what there is, all asked at once: asleep ones wake side by side."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from rich.console import Group, RenderableType

from cli.invocation import Invocation, answer
from client import gateway, lists, reading
from client.errors import ClientError, Unreachable
from client.gateway import Airline
from terminal import tables

Answer = TypeVar("Answer")

SERVICES = ("reserve", "reserve-commands", "flight-seats", "payment", "dashboard", "dead-letters")


def status(invocation: Invocation) -> None:
    """Each service, reachable or not, and how much there is; exit code 2 if one cannot be reached."""
    services = _services(invocation.airline)
    counts = _counts(invocation.airline)
    away = [name for name, wrong in services.items() if wrong]
    uncounted = [name for name, found in counts.items() if isinstance(found, Exception)]
    document = {
        "url": invocation.airline.url,
        "services": {
            name: {"reachable": wrong is None, "why": wrong and str(wrong)} for name, wrong in services.items()
        },
        "counts": {name: None if isinstance(found, Exception) else found for name, found in counts.items()},
    }
    answer(invocation, document, lambda: _drawn(document))
    if away or uncounted:
        raise Unreachable(f"Could not be reached: {', '.join(away or uncounted)}.")


def _services(airline: Airline) -> dict[str, ClientError | None]:
    """The HTTP functions by name, with what is wrong with them."""

    def describe(name: str) -> Callable[[], None]:
        return lambda: gateway.get(airline, f"/openapi/{name}.json") and None

    return _side_by_side({name: describe(name) for name in SERVICES})


def _counts(airline: Airline) -> dict[str, int | str | ClientError]:
    """How many of what there are."""

    def of(path: str, **query: str) -> Callable[[], int | str]:
        return lambda: lists.count(airline, path, **query)

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


def _side_by_side(questions: Mapping[str, Callable[[], Answer]]) -> dict[str, Answer | ClientError]:
    with ThreadPoolExecutor(len(questions)) as pool:
        return dict(zip(questions, pool.map(_asked, questions.values()), strict=True))


def _asked(question: Callable[[], Answer]) -> Answer | ClientError:
    try:
        return question()
    except ClientError as error:
        return error


def _drawn(document: dict[str, Any]) -> RenderableType:
    services = [
        (name, "yes" if found["reachable"] else "no", found["why"]) for name, found in document["services"].items()
    ]
    return Group(
        tables.cell(document["url"]),
        tables.table(["service", "reachable", "why not"], services),
        "",
        tables.facts(document["counts"]),
    )
