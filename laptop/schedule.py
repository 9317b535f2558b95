"""PingSources: a CloudEvent at every tick of a schedule (Knative: pkg/adapter/mtping/runner.go).

A tick that was missed, because the machine slept, is not repeated: whoever listens catches up at the next one.
"""

import asyncio
import threading
import time
import uuid
from datetime import UTC, datetime, tzinfo
from http.client import HTTPException
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from laptop.call import call
from laptop.errors import ManifestError
from laptop.logs import say
from laptop.manifests import Ping

_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_UTC = ("UTC", "Etc/UTC")
_RETRIES, _FIRST_PAUSE = 5, 0.05
_TIMEOUT = 60.0


def ticks(ping: Ping, after: datetime) -> CronSim:
    """The moments of a schedule of five fields, or six with seconds in front. Raises ManifestError."""
    try:
        return CronSim(_DESCRIPTORS.get(ping.schedule, ping.schedule), after.astimezone(_zone(ping)))
    except CronSimError as error:
        raise ManifestError(f"PingSource {ping.name}: schedule {ping.schedule!r}: {error}") from error


def _zone(ping: Ping) -> tzinfo:
    """UTC needs no time zone database, which small systems lack."""
    if ping.timezone in _UTC:
        return UTC
    try:
        return ZoneInfo(ping.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = f"there is no time zone {ping.timezone!r}"
        if not available_timezones():
            known = "this machine has no time zone database; install the package tzdata"
        raise ManifestError(f"PingSource {ping.name}: {known}") from error


def check_schedule(ping: Ping) -> None:
    """Raises ManifestError for an invalid schedule or time zone."""
    ticks(ping, datetime.now(UTC))


async def keep_pinging(ping: Ping, url: str) -> None:
    """Runs until cancelled."""
    while True:
        now = datetime.now(UTC)
        await asyncio.sleep((next(ticks(ping, now)) - now).total_seconds())
        # A daemon thread: neither a slow function nor the end of the run waits for a tick.
        threading.Thread(target=_deliver, args=(ping, url), daemon=True).start()


def event_headers(ping: Ping) -> dict[str, str]:
    """One tick as a CloudEvent in binary mode, with a fresh id."""
    return {
        "content-type": ping.content_type,
        "ce-specversion": "1.0",
        "ce-type": "dev.knative.sources.ping",
        "ce-source": f"/apis/v1/namespaces/{ping.namespace}/pingsources/{ping.name}",
        "ce-id": str(uuid.uuid4()),
        "ce-time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        **{f"ce-{name}": value for name, value in ping.extensions.items()},
    }


def _deliver(ping: Ping, url: str) -> None:
    """Tries six times in less than two seconds, the same event each time."""
    headers = event_headers(ping)
    for attempt in range(_RETRIES + 1):
        try:
            return _post(url, headers, ping.data)
        except (OSError, HTTPException) as error:
            if attempt == _RETRIES:
                say(ping.name, f"tick lost: {error}")
            else:
                time.sleep(_FIRST_PAUSE * 2**attempt)
    return None


def _post(url: str, headers: dict[str, str], body: bytes) -> None:
    status, _ = call("POST", url, headers, body, _TIMEOUT)
    if status not in range(200, 300):
        raise HTTPException(f"{url} answered {status}")
