"""Proves under load that nothing is lost and nothing doubled: python -m tests.reliability.harness --help

Starts the whole system of `make run` in a folder of its own, disturbs it, and checks the laws (laws.py) when it has
come to rest. What clients do and what is struck follows the seed; who is hit depends on the machine's timing as well.
Exit code 1 if a law is broken or something does not come to rest; then the folder is kept.
"""

import argparse
import shlex
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from random import Random

import requests

from tests.reliability import figures, laws
from tests.reliability.clients import Client, Told
from tests.reliability.plan import Strike, Wish, strikes, wishes
from tests.reliability.settling import Settled, settle
from tests.reliability.strikes import Striker
from tests.reliability.town import Town, hurried_manifests
from tests.system import ROOT

FLIGHTS = 20
SEATS_WANTED = 2.3  # by an average wish
WINDOW = "6s"  # short, so that functions fall asleep and wake up in between


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    asked = _parser().parse_args(arguments)
    data = asked.data or Path(tempfile.mkdtemp(prefix="airline-reliability-"))
    say(f"seed {asked.seed}: {asked.reservations} reservations, {asked.kills} kills, --disturb {asked.disturb}")
    say(f"data in {data}")
    began = time.monotonic()
    sound = run(asked, data)
    say(f"{'sound' if sound else 'NOT SOUND'} after {time.monotonic() - began:.0f} s")
    if sound and not asked.keep:
        shutil.rmtree(data)
    elif not sound:
        again = shlex.join(sys.argv[1:] if arguments is None else arguments)
        say(f"the data are kept in {data}; once more: python -m tests.reliability.harness {again}")
    return 0 if sound else 1


def run(asked: argparse.Namespace, data: Path) -> bool:
    """One run from start to verdict."""
    town, told = Town(data, _laptop_arguments(asked, data)), Told()
    try:
        town.start()
        flights = add_flights(town, asked)
        striker = storm(asked, town, told, flights)
        settled = settle(town, asked.settle_within, calm=asked.calm)
    finally:
        town.end()
    if told.finished < asked.reservations:
        told.faults.append(f"only {told.finished} wishes were answered or given up")
    if settled.not_at_rest:
        told.faults.append(f"not at rest within {asked.settle_within:.0f} s: {settled.not_at_rest}")
    told.write(data, flights)
    for text in report(town, told, striker, settled):
        say(text)
    holds, lines = laws.verdict(data)
    for text in [*(f"BROKEN  {fault}" for fault in told.faults), *lines]:
        say(text)
    return holds and not told.faults


def add_flights(town: Town, asked: argparse.Namespace) -> list[int]:
    """Flights with seats for two thirds of all wishes."""
    dice = Random(f"flights {asked.seed}")
    seats = max(4, int(asked.reservations * SEATS_WANTED * 2 / 3 / FLIGHTS))
    return [_add_flight(town, f"ACE{number}", seats, dice.randint(50, 900) * 1000) for number in range(FLIGHTS)]


def storm(asked: argparse.Namespace, town: Town, told: Told, flights: list[int]) -> Striker:
    """Clients and strikes; ends when all clients are through and everything was struck."""
    queue = deque(wishes(asked.seed, asked.reservations, FLIGHTS))
    clients = [Client(town, flights, queue, told, asked.patience) for _ in range(asked.clients)]
    striker = Striker(town, asked.seed, lambda: _place_a_slow_one(town, told, flights, striker))
    for client in clients:
        client.start()
    began = time.monotonic()
    try:
        say("when, after how many reservations, what was to be struck -> what was")
        for strike in strikes(asked.seed, asked.reservations, asked.kills, asked.broker_away, asked.database_away):
            _wait_for_turn(strike, told, clients)
            say(f"{time.monotonic() - began:6.1f} s  {strike}  -> {_hit_by(strike, striker, told)}")
        for client in clients:
            client.join()
    finally:
        queue.clear()
    say(f"{time.monotonic() - began:6.1f} s  all clients are through")
    return striker


def report(town: Town, told: Told, striker: Striker, settled: Settled) -> list[str]:
    """All figures."""
    return [
        figures.line("clients", dict(sorted(told.counts.items()))),
        figures.line(f"{striker.done.total() - striker.done['nothing']} strikes", dict(striker.done.most_common())),
        figures.line("deliveries", dict(figures.disturbances(town).most_common())),
        figures.line("dead letters", dict(settled.letters.most_common())) + f", in {settled.rounds} rounds",
        f"{'at rest':<20} {settled.seconds:.1f} s after the last client and the last strike",
        *figures.of_databases(town),
    ]


def say(text: str) -> None:
    """A line on standard output, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _hit_by(strike: Strike, striker: Striker, told: Told) -> str:
    try:
        return striker.strike(strike)
    except AssertionError as error:  # what was waited for in vain is a finding, and no reason to know nothing else
        told.faults.append(f"{strike}: {error}")
        return f"FAILED: {error}"


def _wait_for_turn(strike: Strike, told: Told, clients: list[Client]) -> None:
    while told.finished < strike.after and any(client.is_alive() for client in clients):
        time.sleep(0.02)


def _add_flight(town: Town, code: str, seats: int, cost: int) -> int:
    flight = {"flightCode": code, "takeoffDate": "2028-01-01", "cost": cost, "remainingSeatsCount": seats}
    answer = requests.post(f"{town.system.gateway}/flights", json=flight, timeout=60)
    answer.raise_for_status()
    return int(answer.json()["flightId"])


def _place_a_slow_one(town: Town, told: Told, flights: list[int], striker: Striker) -> None:
    """One more reservation, so that the provider is being asked when its caller is killed."""
    key = f"slow-{striker.done.total()}"
    wish = Wish(key, "POST", False, 1, FLIGHTS - 1, 1, "2027-01-01", "slow", ())
    queue = deque([wish])
    client = Client(town, flights, queue, told, patience=75)
    client.start()
    client.join()


def _laptop_arguments(asked: argparse.Namespace, data: Path) -> list[str]:
    base = hurried_manifests(data / "manifests", asked.expires_after, asked.housekeeping, asked.retry)
    arguments = ["--manifests", str(base), "--manifests", str(ROOT / "broker" / "kafka"), "--window", WINDOW]
    arguments += ["--disturb", f"seed={asked.seed},{asked.disturb}"] if asked.disturb else []
    return arguments + (["--functions", str(asked.functions)] if asked.functions else [])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.harness", description=__doc__)
    add = parser.add_argument
    add("--reservations", type=int, default=1000)
    add("--seed", type=int, default=1)
    add("--kills", type=int, default=60, help="SIGKILLs, at moments drawn from the seed")
    add("--clients", type=int, default=8)
    add("--disturb", default="twice=0.1,late=0.1,lost=0.05,latest=3", help="the broker's --disturb, but for its seed")
    add("--expires-after", type=int, default=15, metavar="SECONDS", help="how long a reservation may stay PENDING")
    add("--housekeeping", default="*/5 * * * * *", help="schedule of all housekeeping, with seconds in front")
    add("--retry", type=int, default=5, help="of all Triggers; fewer than the real ten, so that dead letters arise")
    add("--broker-away", type=float, default=0, metavar="SECONDS", help="stop the broker once, in the middle")
    add("--database-away", type=float, default=0, metavar="SECONDS", help="hold a database's write lock once")
    add("--patience", type=float, default=75, metavar="SECONDS", help="how long a client asks again")
    add("--settle-within", type=float, default=600, metavar="SECONDS")
    add("--calm", type=float, default=4, metavar="SECONDS", help="how long nothing may happen to be called rest")
    add("--functions", type=Path, help="other sources than functions/, for instance with a defect to be found")
    add("--data", type=Path, help="data folder; a new one by default")
    add("--keep", action="store_true", help="keep the data folder of a sound run as well")
    return parser


if __name__ == "__main__":
    sys.exit(main())
