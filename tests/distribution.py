"""Which tests share a worker of pytest-xdist, in which order the workers take them, and where coverage is measured.

Tests that share a server stay together, so that a worker starts it once. What is long comes first, so that no worker is
left with it at the end while the others have nothing to do.
"""

import os
import re
from collections.abc import Sequence
from functools import cache

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

AT_MOST = 8
"""Workers. More would only wait for those that have the airlines."""
DATABASE = re.compile(r"^tests/databases/.*[\[-](sqlite|postgresql|mariadb)[\]-]")
ALONE = (
    "tests/model/",
    "tests/deployment/",
    "tests/integration/test_site.py",
    "tests/integration/test_hostile_events.py",
    "tests/integration/test_openapi.py",
)
"""Where tests are long and share no server: each is a piece of its own."""
BOARD = "tests/browser/test_live"
"""An airline of its own: the tests of the board wait until everybody sleeps, all others of the page need them awake."""
PAGE = "tests/browser/"
AIRLINES = ("tests/laptop/", "tests/cli/test_on_a_laptop.py", "tests/reliability/")
SERVERS = (PAGE, *AIRLINES)
"""What starts whole airlines and browsers, and waits for them. It is two shares: more of them side by side would take
the processor from each other until conditions are not met in time."""
TOGETHER = ("tests/broker/", "tests/images/")
"""What shares one server or one installation, and needs little else."""
ORDER = (
    BOARD,
    PAGE,
    *AIRLINES,
    "tests/databases/",
    *TOGETHER,
    "tests/integration/test_site.py",
    "tests/model/test_saga_model.py",
    "tests/deployment/",
    "tests/integration/",
    "tests/model/",
)
"""Beginnings of names, longest first; everything else is quick and fills the gaps."""
NOT_MEASURED = (
    *("tests/model/", "tests/laptop/", "tests/browser/", "tests/reliability/"),
    "tests/integration/test_hostile_events.py",
    "tests/integration/test_openapi.py",
)
"""Where coverage would say nothing new: these run the same rules thousands of times, or the product in processes of its
own. Tracing doubles what a test computes."""
COMPUTES = "tests/unit"
"""Where no test waits for anything."""
NICER = 5
"""By how much, of 19, what only computes lets others go first."""


def workers(places: Sequence[str]) -> int:
    """For the tests in these places: one more than there are cores, as two of them often wait for airlines."""
    cores = os.cpu_count() or 1
    return min(AT_MOST, max(2, cores) if all(place.startswith(COMPUTES) for place in places) else cores + 1)


def share_of(test: str) -> str:
    """What all tests of a worker's next piece have in common: a server, a file, or the test itself."""
    if server := DATABASE.match(test):
        return f"tests/databases on {server[1]}"
    if test.startswith((BOARD, *AIRLINES)):
        return "airlines"
    if test.startswith(PAGE):
        return "page"
    if shared := [room for room in TOGETHER if test.startswith(room)]:
        return shared[0]
    file = test.partition("::")[0]
    return test if test.startswith(ALONE) else file


def place_of(test: str) -> int:
    """Its place in the order; the smallest is taken first."""
    return next((place for place, beginning in enumerate(ORDER) if test.startswith(beginning)), len(ORDER))


class Shares(LoadScopeScheduling):
    """Hands out one share after another."""

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)


def by_place(items: list[pytest.Item]) -> None:
    """Puts the tests into the order in which workers take them."""
    items.sort(key=lambda item: place_of(item.nodeid))


def unmeasured(items: list[pytest.Item]) -> None:
    """Marks the tests during which pytest-cov does not trace."""
    for item in items:
        if item.nodeid.startswith(NOT_MEASURED):
            item.add_marker(pytest.mark.no_cover)


def give_way(test: str) -> None:
    """Has a worker that is through with the airlines, or has none, take the processor when they leave it idle."""
    if not test.startswith(SERVERS):
        _is_nicer()


@cache
def _is_nicer() -> None:
    os.nice(NICER)
