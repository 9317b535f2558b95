"""Which functions woke for the events of a saga: only the supervisor of a laptop knows, from its state.json."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cli import here
from client.gateway import Airline
from laptop.data_folder import read_state

AT_ONCE = timedelta(seconds=1)
"""How long after the broker has an event its first delivery knocks at the function, on a machine that is busy."""
AHEAD = timedelta(seconds=15)
"""How long a function that was woken ahead may wait for the first event that it works on."""
BEGINNING = timedelta(seconds=5)
"""How long before its first event a saga may have been announced; who woke before that woke for another saga."""


def woken(airline: Airline, deliveries: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """For each start, the first event the function was woken for: eventId, function, at, seconds until READY, ahead.

    `ahead` says that it was READY before this event came. None where starts are not known: on a cluster, or for an
    airline that does not run in this folder. The page has the same rule (gateway/web/screens/ops/saga-tree.js).
    """
    services = _services(airline)
    if services is None or deliveries is None:
        return None
    by_trigger = {key: name for name, service in services.items() for key in service["triggers"]}
    begun = min((datetime.fromisoformat(one["storedAt"]) for one in deliveries), default=None)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for stored in deliveries:
        moment = datetime.fromisoformat(stored["storedAt"])
        for delivery in stored["deliveries"]:
            name = by_trigger.get(delivery["trigger"])
            met = [one for one in services[name]["wakings"] if _meets(one, moment, begun)] if name and begun else []
            if name and met:  # only the last start can have taken it: the function has gone to sleep since any other
                about = {"eventId": stored["id"], "function": name, **met[-1], "ahead": moment > _ready(met[-1])}
                found.setdefault((name, met[-1]["at"]), about)
    return list(found.values())


def _meets(waking: Mapping[str, Any], stored: datetime, begun: datetime) -> bool:
    began, ready = datetime.fromisoformat(waking["at"]), _ready(waking)
    if stored <= ready:
        return began <= stored + AT_ONCE
    return begun - BEGINNING <= began and stored <= ready + AHEAD


def _ready(waking: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(waking["at"]) + timedelta(seconds=waking["seconds"])


def _services(airline: Airline) -> dict[str, Any] | None:
    state = read_state(here.DATA)
    if state is None or state["gateway"] != airline.url:
        return None
    services: dict[str, Any] = state["services"]
    return services
