"""`airline audit`: what operators did."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.common_options import Limit
from cli.invocation import Invocation
from cli.listing import listed
from client import lists
from client.lists import Found

SERVICES = ("reserve", "flight-seats", "dashboard", "dead-letters")
COLUMNS = {
    "at": "when",
    "actor": "who",
    "service": "where",
    "method": "what",
    "path": "",
    "status": "how",
    "body": "with",
}


def audit(
    invocation: Invocation,
    actor: Annotated[str | None, typer.Option(help="Only what they did.")] = None,
    about: Annotated[
        str | None, typer.Option(help="Only what was about this: a reservation's id, a flight's number, or an address.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="Only from then on (UTC).")] = None,
    limit: Limit = 50,
) -> None:
    """What operators did and how it ended, latest first. Kept where the airline asks who calls (docs/identity.md)."""
    then = since and f"{since.replace(tzinfo=since.tzinfo or UTC).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    wanted = {"actor": actor, "subject": about and _address(about), "since": then, "sort": "at,desc"}
    found = {
        service: lists.some(invocation.airline, f"/audit/{service}", "actions", limit, **wanted) for service in SERVICES
    }
    actions = [{"service": service, **one} for service, some in found.items() for one in some.items]
    latest = sorted(actions, key=lambda one: str(one["at"]), reverse=True)[:limit]
    total = sum(some.total for some in found.values())
    listed(invocation, "actions", Found(latest, total, any(some.total_is_least for some in found.values())), COLUMNS)


def _address(about: str) -> str:
    if about.startswith("/"):
        return about
    return f"/flights/{about}" if about.isdecimal() else f"/reservations/{about.upper()}"
