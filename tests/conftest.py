"""Every folder of functions is on the path, as each is alone in its own image; their modules have different names.

How tests are shared out among several workers is in distribution.py.
"""

import os
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from xdist import is_xdist_worker
from xdist.remote import Producer

from testbed import once
from tests import distribution
from tests.databases.absent import NO_MARIADB

sys.path += [str(main.parent) for main in sorted(Path(__file__).parents[1].glob("functions/*/main.py"))]


def pytest_configure(config: pytest.Config) -> None:
    """One folder for all workers, which are started later and inherit its name."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # by `... &`: what they start would be, too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        shared = TemporaryDirectory(prefix="airline-tests-")
        os.environ[once.FOLDER] = shared.name
        config.add_cleanup(shared.cleanup)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return distribution.workers(config.args)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> distribution.Shares:
    config.option.loadscopereorder = False  # it would take the share with the most tests first
    return distribution.Shares(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    distribution.by_place(items)
    distribution.unmeasured(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if is_xdist_worker(item.session):
        distribution.give_way(item.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says so where a part of the suite was left out. Here, because only workers read the conftest.py of a suite."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if NO_MARIADB in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} tests were skipped: {NO_MARIADB}")
