"""Which functions woke for the events of a saga: only the supervisor of a laptop knows, from its state.json."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cli import here
from client.gateway import Airline
from laptop.data_folder import read_state

AT_ONCE = timedelta(seconds=1)
"""How long after the broker has an event its first delivery knocks at the function, on a machine that is busy."""


def woken(airline: Airline, deliveries: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """For each first delivery that met a function asleep or still starting: eventId, function, at, seconds until READY.

    None where that is not known: on a cluster, or for an airline that does not run in this folder.
    """
    services = _services(airline)
    if services is None or deliveries is None:
        return None
    by_trigger = {key: name for name, service in services.items() for key in service["triggers"]}
    return [
        {"eventId": stored["id"], "function": name, **waking}
        for stored in deliveries
        for delivery in stored["deliveries"]
        if (name := by_trigger.get(delivery["trigger"]))
        for waking in services[name]["wakings"]
        if _meets(waking, datetime.fromisoformat(stored["storedAt"]))
    ]


def _meets(waking: Mapping[str, Any], stored: datetime) -> bool:
    began = datetime.fromisoformat(waking["at"])
    return began <= stored + AT_ONCE and stored <= began + timedelta(seconds=waking["seconds"])


def _services(airline: Airline) -> dict[str, Any] | None:
    state = read_state(here.DATA)
    if state is None or state["gateway"] != airline.url:
        return None
    services: dict[str, Any] = state["services"]
    return services
