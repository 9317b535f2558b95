"""`airline rebuild`: the dashboard made from its events again. One call works for some seconds, the next goes on."""

from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

import typer
from rich.progress import Progress

from cli.invocation import Invocation, answer
from client import gateway
from client.errors import Broken, Unreachable
from client.gateway import Airline
from terminal import tables
from terminal.console import progress

MOST_EXAMPLES = 20


def rebuild(
    invocation: Invocation,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only compare; exit code 1 if it differs.")] = False,
    after: Annotated[str | None, typer.Option(help="Where an interrupted rebuild goes on, as it has said.")] = None,
) -> None:
    """Rebuilds the dashboard from its history of events, compares, and repairs what differs."""
    with progress() as bars:
        done = _all_calls(invocation.airline, {"dryRun": str(dry_run).lower(), "after": after}, bars)
    answer(invocation, done, lambda: tables.facts({name: _listed(value) for name, value in done.items()}))
    if dry_run and (done["differing"] or done.get("customers")):
        wrong = f"for {done['differing']} reservations and the counts of {done.get('customers', 0)} customers"
        raise Broken(f"The dashboard differs from its events {wrong}.")


def _all_calls(airline: Airline, query: dict[str, Any], bars: Progress) -> dict[str, Any]:
    """What all calls have found and done together."""
    bar = bars.add_task("reservations compared", total=None)
    whole: dict[str, Any] = {}
    following: dict[str, Any] | None = query
    while following is not None:
        done, next_one = _call(airline, following)
        whole = {name: _together(whole.get(name), value) for name, value in done.items()}
        bars.update(bar, completed=whole["reservations"])
        following = next_one
    return whole


def _together(earlier: Any, now: Any) -> Any:
    if earlier is None:
        return now
    return [*earlier, *now][:MOST_EXAMPLES] if isinstance(now, list) else earlier + now


def _call(airline: Airline, query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The figures of one call, and how the next is asked for."""
    try:
        done = gateway.send(airline, "POST", "/customerInfos/rebuild", **query)
    except Unreachable as error:
        if query.get("after") is None:
            raise
        raise Unreachable(f"{error} Go on with --after {query['after']}") from error
    following = done.pop("_links", {}).get("next")
    return done, dict(parse_qsl(urlsplit(following["href"]).query)) if following else None


def _listed(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
