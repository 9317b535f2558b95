"""Proves under load that nothing is lost and nothing doubled: python -m tests.reliability.harness --help

Starts the whole system of `make run` in a folder of its own, disturbs it, and checks laws_in_sql.py when it has
come to rest. What clients do and what is struck follows the seed; which process is hit also depends on the machine's
timing. With --long-outage nothing is killed at random: one part after the other is away for longer than all retries,
each in a run of its own. Exit code 1 if a law is broken or something does not come to rest; then the folder is kept.
"""

import argparse
import shlex
import shutil
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import requests

from testbed.running_system import ROOT, eventually, laptop_arguments
from tests.reliability import figures, laws_in_sql
from tests.reliability.away import away, every_part, is_delivered_to, known, sources_with_a_switch
from tests.reliability.clients import Acknowledged, Client
from tests.reliability.plan import Order, Strike, orders, strikes, strikes_at_the_provider
from tests.reliability.restartable_laptop import RestartableLaptop, hurried_manifests
from tests.reliability.settling import Settled, latest_event, settle, waiting
from tests.reliability.strikes import Striker

FLIGHTS = 20
SEATS_WANTED = 2.3  # by an average order
DEFAULT_KILLS = 60
LONGER_THAN_EXPIRY = 5.0  # seconds for housekeeping to cancel what has expired while the part is away
WINDOW = "6s"  # short, so that functions fall asleep and wake up in between


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    typed = list(sys.argv[1:] if arguments is None else arguments)
    asked = _asked(typed)
    data = asked.data or Path(tempfile.mkdtemp(prefix="airline-reliability-"))
    runs = {part: data / part.replace(":", "-") for part in asked.long_outage} or {"": data}
    sound = {part: _verdict(asked, folder, part, typed) for part, folder in runs.items()}
    if len(sound) > 1:
        say(f"sound: {sum(sound.values())} of {len(sound)}; NOT SOUND: {[part for part in sound if not sound[part]]}")
    return 0 if all(sound.values()) else 1


def _verdict(asked: argparse.Namespace, data: Path, part: str, typed: Sequence[str]) -> bool:
    """One run; its folder is removed if it is not needed."""
    what = f"{part} away, letters {'sent again' if asked.replay else 'left alone'}" if part else f"{asked.kills} kills"
    say(f"seed {asked.seed}: {asked.reservations} reservations, {what}, --disturb {asked.disturb}")
    say(f"data in {data}")
    began = time.monotonic()
    sound = run(asked, data, part)
    say(f"{'sound' if sound else 'NOT SOUND'} after {time.monotonic() - began:.0f} s")
    if sound and not asked.keep:
        shutil.rmtree(data)
    elif not sound:
        say(f"the data are kept in {data}; once more: python -m tests.reliability.harness {shlex.join(typed)}")
    return sound


def run(asked: argparse.Namespace, data: Path, part: str) -> bool:
    """One run from start to verdict; with a part that is away for long, or else with strikes."""
    laptop, acknowledged = RestartableLaptop(data, _laptop_arguments(asked, data)), Acknowledged()
    try:
        laptop.start()
        flights = add_flights(laptop, asked)
        done = (
            outage(asked, laptop, acknowledged, flights, part) if part else storm(asked, laptop, acknowledged, flights)
        )
        settled = settle(laptop, asked.settle_within, asked.calm, replay=asked.replay)
    finally:
        laptop.end()
    acknowledged.faults += _left_undone(asked, acknowledged, settled, part)
    acknowledged.write(data, flights)
    for text in report(laptop, acknowledged, done, settled):
        say(text)
    holds, lines = laws_in_sql.verdict(data)
    for text in [*(f"BROKEN  {fault}" for fault in acknowledged.faults), *lines]:
        say(text)
    return holds and not acknowledged.faults


def _left_undone(asked: argparse.Namespace, acknowledged: Acknowledged, settled: Settled, part: str) -> Iterator[str]:
    if acknowledged.finished < asked.reservations:
        yield f"only {acknowledged.finished} orders were answered or given up"
    if settled.not_at_rest:
        yield f"not at rest within {asked.settle_within:.0f} s: {settled.not_at_rest}"
    if part and is_delivered_to(part) and not settled.letters:
        yield f"no letter arose: {part} was not away for longer than all retries"


def add_flights(laptop: RestartableLaptop, asked: argparse.Namespace) -> list[int]:
    """Flights with seats for two thirds of all orders."""
    dice = Random(f"flights {asked.seed}")
    seats = max(4, int(asked.reservations * SEATS_WANTED * 2 / 3 / FLIGHTS))
    return [_add_flight(laptop, f"ACE{number}", seats, dice.randint(50, 900) * 1000) for number in range(FLIGHTS)]


def storm(
    asked: argparse.Namespace, laptop: RestartableLaptop, acknowledged: Acknowledged, flights: list[int]
) -> Counter[str]:
    """Clients and strikes; ends when all clients are through and everything was struck. What was hit, and how often."""
    queue = deque(orders(asked.seed, asked.reservations, FLIGHTS))
    clients = _clients(asked, laptop, acknowledged, flights, queue)
    striker = Striker(laptop, asked.seed, lambda: _place_a_slow_one(laptop, acknowledged, flights, striker))
    began = time.monotonic()
    try:
        say("when, after how many reservations, what was to be struck -> what was")
        for strike in _strikes(asked):
            _wait_for_turn(strike.after, acknowledged, clients)
            say(f"{time.monotonic() - began:6.1f} s  {strike}  -> {_hit_by(strike, striker, acknowledged)}")
        for client in clients:
            client.join()
    finally:
        queue.clear()
    say(f"{time.monotonic() - began:6.1f} s  all clients are through")
    return striker.done


def _strikes(asked: argparse.Namespace) -> Sequence[Strike]:
    drawn = strikes(asked.seed, asked.reservations, asked.kills, asked.broker_away, asked.database_away)
    more = strikes_at_the_provider(asked.seed, asked.reservations, asked.kills) if asked.provider_apart else ()
    return sorted([*drawn, *more], key=lambda strike: strike.after)


def outage(
    asked: argparse.Namespace, laptop: RestartableLaptop, acknowledged: Acknowledged, flights: list[int], part: str
) -> Counter[str]:
    """Clients, and a part that is away in their midst until all that needed it was given up, and all expired."""
    every = list(orders(asked.seed, asked.reservations, FLIGHTS))
    before, after = deque(every[: len(every) * 4 // 5]), deque(every[len(every) * 4 // 5 :])
    clients = _clients(asked, laptop, acknowledged, flights, before)
    began = time.monotonic()
    try:
        _wait_for_turn(asked.reservations // 4, acknowledged, clients)
        with away(laptop, part):
            say(f"{time.monotonic() - began:6.1f} s  {part} is away")
            time.sleep(asked.expires_after + LONGER_THAN_EXPIRY)  # an outage is nothing but time
            latest = latest_event(laptop)
            eventually(lambda: waiting(laptop, latest) == 0, f"all that needs {part} is given up", asked.settle_within)
        say(f"{time.monotonic() - began:6.1f} s  {part} is back")
        for client in [*clients, *_clients(asked, laptop, acknowledged, flights, after)]:
            client.join()
    finally:
        before.clear()
        after.clear()
    say(f"{time.monotonic() - began:6.1f} s  all clients are through")
    return Counter({f"{part} away": 1})


def _clients(
    asked: argparse.Namespace,
    laptop: RestartableLaptop,
    acknowledged: Acknowledged,
    flights: list[int],
    queue: deque[Order],
) -> list[Client]:
    """Clients at work on the orders in the queue."""
    clients = [Client(laptop, flights, queue, acknowledged, asked.patience) for _ in range(asked.clients)]
    for client in clients:
        client.start()
    return clients


def report(laptop: RestartableLaptop, acknowledged: Acknowledged, done: Counter[str], settled: Settled) -> list[str]:
    """All figures."""
    replayed = f", sent again in {settled.rounds} rounds" if settled.rounds else ""
    return [
        figures.line("clients", dict(sorted(acknowledged.counts.items()))),
        figures.line(f"{done.total() - done['nothing']} strikes", dict(done.most_common())),
        figures.line("deliveries", dict(figures.disturbances(laptop).most_common())),
        figures.line(f"{settled.letters.total()} letters", dict(settled.letters.most_common())) + replayed,
        f"{'at rest':<20} {settled.seconds:.1f} s after the last client and the last strike",
        *figures.of_databases(laptop),
    ]


def say(text: str) -> None:
    """A line on standard output, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _hit_by(strike: Strike, striker: Striker, acknowledged: Acknowledged) -> str:
    try:
        return striker.strike(strike)
    except AssertionError as error:  # what did not come is a finding, and the rest is still worth knowing
        acknowledged.faults.append(f"{strike}: {error}")
        return f"FAILED: {error}"


def _wait_for_turn(after: int, acknowledged: Acknowledged, clients: list[Client]) -> None:
    while acknowledged.finished < after and any(client.is_alive() for client in clients):
        time.sleep(0.02)


def _add_flight(laptop: RestartableLaptop, code: str, seats: int, cost: int) -> int:
    flight = {"flightCode": code, "takeoffDate": "2028-01-01", "cost": cost, "remainingSeatsCount": seats}
    answer = requests.post(f"{laptop.system.gateway}/flights", json=flight, timeout=60)
    answer.raise_for_status()
    return int(answer.json()["flightId"])


def _place_a_slow_one(
    laptop: RestartableLaptop, acknowledged: Acknowledged, flights: list[int], striker: Striker
) -> None:
    """One more reservation, so that the provider is being asked when its caller is killed."""
    key = f"slow-{striker.done.total()}"
    order = Order(key, "POST", False, 1, FLIGHTS - 1, 1, "2027-01-01", "slow", ())
    queue = deque([order])
    client = Client(laptop, flights, queue, acknowledged, patience=75)
    client.start()
    client.join()


def _laptop_arguments(asked: argparse.Namespace, data: Path) -> list[str]:
    settings = {"RESERVATION_EXPIRES_AFTER": asked.expires_after, "OWED_AFTER": asked.owed_after}
    base = hurried_manifests(data / "manifests", asked.housekeeping, settings, asked.retry)
    apart = laptop_arguments("APART") if asked.provider_apart else []
    functions = sources_with_a_switch(data, asked.functions) if asked.long_outage else asked.functions
    arguments = ["--manifests", str(base), "--manifests", str(ROOT / "broker" / "kafka"), "--window", WINDOW]
    arguments += ["--disturb", f"seed={asked.seed},{asked.disturb}"] if asked.disturb else []
    return [*arguments, *apart, "--functions", str(functions)]


def _asked(typed: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    asked = parser.parse_args(typed)
    if asked.long_outage == ["all"]:
        asked.long_outage = every_part()
    unknown = [part for part in asked.long_outage if not known(part)]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(every_part())}")
    if asked.long_outage and asked.kills:
        parser.error("--kills and --long-outage exclude each other: nothing starts while its database is away")
    asked.kills = DEFAULT_KILLS if asked.kills is None and not asked.long_outage else asked.kills
    if asked.retry is None:
        asked.retry = 1 if asked.long_outage else 5
    return asked


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.harness", description=__doc__)
    add = parser.add_argument
    add("--reservations", type=int, default=1000)
    add("--seed", type=int, default=1)
    add("--kills", type=int, help=f"SIGKILLs, at moments drawn from the seed; {DEFAULT_KILLS}, but for --long-outage")
    add("--clients", type=int, default=8)
    add("--disturb", default="twice=0.1,late=0.1,lost=0.05,latest=3", help="the broker's --disturb, but for its seed")
    add("--expires-after", type=int, default=15, metavar="SECONDS", help="how long a reservation may stay PENDING")
    add("--owed-after", type=int, default=6, metavar="SECONDS", help="when reserve says again what is not settled")
    add("--housekeeping", default="*/5 * * * * *", help="schedule of all housekeeping, with seconds in front")
    add("--retry", type=int, help="of all Triggers, instead of the real ten; 5, and 1 with --long-outage")
    add("--broker-away", type=float, default=0, metavar="SECONDS", help="stop the broker once, in the middle")
    add("--database-away", type=float, default=0, metavar="SECONDS", help="hold a database's write lock once")
    add("--provider-apart", action="store_true", help="the payment provider is a server of its own, and is killed, too")
    add("--long-outage", type=_parts, default=[], metavar="PART,...", help="all, or names as in away.py; + joins them")
    add("--no-replay", dest="replay", action="store_false", help="dead letters and kept events are not sent again")
    add("--patience", type=float, default=75, metavar="SECONDS", help="how long a client asks again")
    add("--settle-within", type=float, default=600, metavar="SECONDS")
    add("--calm", type=float, default=4, metavar="SECONDS", help="how long nothing may happen to be called rest")
    add("--functions", type=Path, default=ROOT / "functions", help="other sources, for instance with a defect")
    add("--data", type=Path, help="data folder; a new one by default")
    add("--keep", action="store_true", help="keep the data folder of a sound run as well")
    return parser


def _parts(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    sys.exit(main())
