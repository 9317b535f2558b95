"""`airline audit`: what operators did."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli.common_options import Limit
from cli.invocation import Invocation, answer
from client import gateway
from terminal import tables

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
    since: Annotated[datetime | None, typer.Option(help="Only from then on (UTC).")] = None,
    limit: Limit = 50,
) -> None:
    """What operators did and how it ended, latest first. Kept where the airline asks who calls (docs/identity.md)."""
    then = since and f"{since.replace(tzinfo=since.tzinfo or UTC).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    wanted = {"actor": actor, "since": then, "sort": "at,desc"}
    found: list[dict[str, Any]] = []
    total = 0
    for service in SERVICES:
        some, there = gateway.some(invocation.airline, f"/audit/{service}", "actions", limit, **wanted)
        found += [{"service": service, **one} for one in some]
        total += there
    latest = sorted(found, key=lambda one: str(one["at"]), reverse=True)[:limit]
    answer(invocation, {"total": total, "actions": latest}, lambda: tables.items(COLUMNS, latest, total))
