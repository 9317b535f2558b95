"""The README's tutorial, typed as it is printed: a new policy runs at once, and withstands what a broker may do."""

import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import ROOT, RunningSystem, eventually, running_system

README = (ROOT / "README.md").read_text("utf-8")
(TUTORIAL,) = re.findall(r"^## A new policy in ten lines\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
(TYPED,) = re.findall(r"^```sh\n(make policy .*)\n```$", TUTORIAL, re.MULTILINE)
((FILE, RULE),) = re.findall(r"^```python\n# (\S+)\n(.*?)```$", TUTORIAL, re.MULTILINE | re.DOTALL)
IN_A_FOLDER_THAT_IS_THERE = {"NAME": "thank-payer", "FOLDER": "payment", "HEARS": "Paid", "SAYS": "ReceiptSent"}
(DISTURBED,) = re.findall(r'`make run ARGS="(--disturb .*)"`', TUTORIAL)
NOT_COPIED = (".git", ".venv", ".airline", "__pycache__", ".pytest_cache", ".ruff_cache", ".hypothesis", ".site")
"""What mypy remembers is copied: what is new is checked in a second, and everything else in twenty."""
MIGRATED = "tests/databases/test_migrations.py::test_migrations_make_what_the_models_say"
CUSTOMERS, SEATS = 12, 9
QUICKLY = {"retry: 10": "retry: 40", "backoffPolicy: exponential": "backoffPolicy: linear", "PT0.2S": "PT0.1S"}
"""Every second answer is lost, and ten in a row sometimes: then the usual retries would take minutes, or give up."""
PATIENCE = 120.0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which the tutorial was typed, and then a policy for an existing folder."""
    copy = tmp_path_factory.mktemp("tutorial") / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
    typed = shlex.split(TYPED)
    # `make` would install what is here already
    words = dict(word.split("=", 1) for word in typed[2:])
    assert typed[:2] == ["make", "policy"]
    assert run(copy, "scaffold", **words).returncode == 0
    assert run(copy, "scaffold", **IN_A_FOLDER_THAT_IS_THERE).returncode == 0
    return copy


def run(project: Path, module: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(
        command, cwd=project, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def said(system: RunningSystem, type_: str) -> list[str]:
    """The ids of all events of a type that the broker has taken, repeats included."""
    with closing(sqlite3.connect(f"file:{system.data / 'broker.db'}?mode=ro", uri=True, timeout=30)) as log:
        rows = log.execute("SELECT attributes FROM events").fetchall()
    attributes = [json.loads(row) for (row,) in rows]
    return [found["id"] for found in attributes if found["type"] == type_]


def test_the_rule_that_the_readme_shows_is_the_one_that_is_written(project: Path) -> None:
    assert RULE in (project / FILE).read_text("utf-8")


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("ruff", ("check", ".")),
        ("ruff", ("format", "--check", ".")),
        ("mypy", ("functions/loyalty",)),
        ("mypy", ("functions/payment",)),
        ("contracts", ("--check",)),
        (
            "pytest",
            (
                *("-q", "-p", "no:cacheprovider", "tests/unit/test_thank_customer.py", "tests/unit/test_repeats.py"),
                *("tests/unit/test_drift.py", "tests/unit/test_manifests.py", "tests/unit/test_lists.py"),
                *(f"{MIGRATED}[sqlite-loyalty]", f"{MIGRATED}[sqlite-payment]"),
            ),
        ),
    ],
    ids=["lint", "format", "types", "types of the folder that was there", "contracts", "tests"],
)
def test_what_is_written_passes_what_make_check_asks(project: Path, module: str, words: tuple[str, ...]) -> None:
    checked = run(project, module, *words)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def repeat_quickly(kustomization: Path) -> None:
    text = kustomization.read_text("utf-8")
    for usual, quick in QUICKLY.items():
        assert usual in text
        text = text.replace(usual, quick)
    kustomization.write_text(text, "utf-8")


@pytest.mark.timeout(300)
def test_a_new_policy_says_one_event_for_each_confirmation_whatever_the_broker_loses_and_doubles(
    project: Path, tmp_path: Path
) -> None:
    repeat_quickly(project / "knative" / "base" / "kustomization.yaml")
    disturb = ("--disturb", f"seed=7,latest=1,{DISTURBED.removeprefix('--disturb ')}")
    with running_system(tmp_path, *disturb, "--window", "1h", project=project) as system:
        airline = AirlineUnderTest(system.gateway, patience=PATIENCE)
        flight = airline.add_flight(seats=SEATS)
        reservations = [airline.place_reservation(flight, 1, customer) for customer in range(1, CUSTOMERS + 1)]
        ends = [airline.outcome(reservation)["status"] for reservation in reservations]
        confirmations = ends.count("SUCCEED")
        eventually(lambda: len(set(said(system, "LetterSent"))) >= confirmations, "everybody has a letter", PATIENCE)
        handled = (system.data / "logs" / "thank-customer.log").read_text("utf-8").count("handled ReservationConfirmed")

        assert confirmations == SEATS
        assert len(set(said(system, "ReservationConfirmed"))) == confirmations
        assert len(set(said(system, "LetterSent"))) == confirmations
        assert handled > confirmations, "nothing was repeated, so this test has shown nothing"
        with closing(sqlite3.connect(system.data / "loyalty.db")) as loyalty:
            assert loyalty.execute("SELECT count(*) FROM letter_sent").fetchone() == (confirmations,)
