"""Disasters: SIGKILL to what runs, a broker that is away, a database that is away.

Killed is only what this run has started: the supervisor is our child, and everything else is the supervisor's.
"""

import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from random import Random

from testbed.running_system import eventually
from tests.reliability.plan import FUNCTIONS, PROVIDER, Strike
from tests.reliability.restartable_laptop import RestartableLaptop, kill_group


class Striker:
    """done counts what was really hit; a function that is asleep is replaced by one that is awake."""

    def __init__(self, laptop: RestartableLaptop, seed: int, keep_the_provider_busy: Callable[[], None]) -> None:
        self.done: Counter[str] = Counter()
        self._laptop = laptop
        self._dice = Random(f"striker {seed}")
        self._keep_the_provider_busy = keep_the_provider_busy

    def strike(self, strike: Strike) -> str:
        """Does it and returns what was hit; `nothing` if nothing was there."""
        hit = self._hit(strike)
        self.done[hit] += 1
        return hit

    def _hit(self, strike: Strike) -> str:
        if strike.what == "supervisor":
            return self._kill_supervisor(strike.seconds)
        if strike.what == "provider's call":
            return strike.what if self._kill_in_the_providers_call("charge-payment") else "nothing"
        if strike.what == PROVIDER:
            return strike.what if self._kill_in_the_providers_call(PROVIDER) else "nothing"
        if strike.what.startswith("database "):
            return self._take_database_away(strike.what.removeprefix("database "), strike.seconds)
        if strike.how == "away":
            return self._take_broker_away(strike.seconds)
        return self._kill_resident(strike.what) if strike.what not in FUNCTIONS else self._kill_function(strike)

    def _kill_supervisor(self, seconds: float) -> str:
        """What it leaves behind is ended by its guard within seconds, or else by the next one."""
        self._laptop.system.end(signal.SIGKILL)
        time.sleep(seconds)
        self._laptop.start()
        return "supervisor"

    def _kill_in_the_providers_call(self, name: str) -> bool:
        """Who asks, or who is asked."""
        self._keep_the_provider_busy()
        asked = "SELECT 1 FROM payments WHERE status = 'CHARGING' AND payment_method = 'slow'"
        eventually(lambda: self._laptop.query("payment", asked), "a slow charge is under way", 60)
        eventually(lambda: self._laptop.pid(name), f"{name} runs", 60)  # the provider may be waking for this very call
        return self._kill(name)

    def _kill_resident(self, name: str) -> str:
        eventually(lambda: self._laptop.pid(name), f"{name} runs", 30)
        return name if self._kill(name) else "nothing"

    def _kill_function(self, strike: Strike) -> str:
        awake = [name for name in FUNCTIONS if self._laptop.pid(name)]
        if not awake:
            return "nothing"
        name = strike.what if strike.what in awake else self._dice.choice(awake)
        return name if self._kill(name) else "nothing"

    def _kill(self, name: str) -> bool:
        pid = self._laptop.pid(name)
        if pid is None:
            return False
        try:
            kill_group(pid)
        except ProcessLookupError:
            return False  # it went to sleep that very moment
        return True

    def _take_broker_away(self, seconds: float) -> str:
        """Stopped, not killed: the laptop would start another one at once."""
        pid = eventually(lambda: self._laptop.pid("broker"), "the broker runs", 30)
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)
        return "broker away"

    def _take_database_away(self, name: str, seconds: float) -> str:
        """A transaction that does not end: other writers wait for their timeout and get a 503."""
        with closing(sqlite3.connect(self._laptop.data / f"{name}.db", timeout=60, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            connection.execute("ROLLBACK")
        return f"database {name} away"
