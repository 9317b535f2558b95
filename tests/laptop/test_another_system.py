"""The example of another system, a library that lends books: on the same laptop, by the same kit and broker."""

import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from laptop.manifests import read_system
from testbed.running_system import ROOT, RunningSystem, eventually, running_system

LIBRARY = ROOT / "examples" / "library"
MOST_LINES = 120
COPIES = 3
DISTURBED = ("--disturb", "seed=11,twice=0.4,lost=0.3,late=0.3,latest=0.3")
"""Of ten deliveries, four are made twice, three answers are lost, and three come late."""


@pytest.fixture(scope="module", params=[(), DISTURBED], ids=["as it is", "disturbed"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """One for all tests: each has a book of its own."""
    with running_system(tmp_path_factory.mktemp("library"), "--system", str(LIBRARY), *request.param) as system:
        yield system


def ask(library: RunningSystem, loan: str, book: str, age: int) -> None:
    event = {"ce-specversion": "1.0", "ce-id": loan, "ce-source": "/readers", "ce-type": "BookRequested"}
    answer = requests.post(library.broker, json={"loanId": loan, "book": book, "age": age}, headers=event, timeout=10)
    assert answer.status_code == 202


def said(library: RunningSystem, loan: str) -> set[tuple[str, str]]:
    """Type and id of every event of a loan, repeated ones once."""
    ingress = library.broker.removesuffix("/library/lending")
    found = requests.get(f"{ingress}/-/deliveries", params={"correlationid": loan}, timeout=10).json()
    return {(event["type"], event["id"]) for event in found["events"]}


def types(library: RunningSystem, loan: str) -> set[str]:
    return {type_ for type_, _ in said(library, loan)}


def await_end(library: RunningSystem, loan: str, end: str) -> None:
    await_one_of(library, loan, {end})


def await_one_of(library: RunningSystem, loan: str, ends: set[str]) -> None:
    eventually(lambda: ends & types(library, loan), f"one of {ends} of {loan}", within=40)


def await_rest(library: RunningSystem) -> None:
    def waiting() -> int:
        status = requests.get(library.state["brokerStatus"], timeout=10).json()
        return sum(trigger["backlog"] + trigger["inFlight"] for trigger in status["triggers"].values())

    eventually(lambda: waiting() == 0, "everything is delivered", within=60)


def copies(library: RunningSystem) -> dict[str, int]:
    with closing(sqlite3.connect(library.data / "shelf.db")) as shelf:
        return dict(shelf.execute("SELECT title, copies FROM books").fetchall())


def test_it_says_what_can_be_typed(library: RunningSystem) -> None:
    here = library.broker.removeprefix("http://127.0.0.1")
    ingress = here.removesuffix("/library/lending")

    assert f"http {here} ce-specversion:1.0 ce-source:/me ce-type:BookRequested ce-id:1" in library.said()
    assert f"http {ingress}/-/deliveries correlationid==2" in library.said()
    assert f"make status SYSTEM={LIBRARY}" in library.said()


def test_a_loan_succeeds_and_one_to_a_reader_who_is_too_young_is_compensated(library: RunningSystem) -> None:
    ask(library, "old-enough", "Steppenwolf", 16)
    ask(library, "too-young", "Steppenwolf", 9)
    await_end(library, "old-enough", "BookLent")
    await_end(library, "too-young", "BookPutBack")
    await_rest(library)

    assert types(library, "old-enough") == {"BookSetAside", "BookLent"}
    assert types(library, "too-young") == {"BookSetAside", "LoanRefused", "BookPutBack"}
    assert copies(library)["Steppenwolf"] == COPIES - 1


def test_no_book_is_lent_twice_or_lost_however_many_readers_want_it(library: RunningSystem) -> None:
    loans = [f"loan-{number}" for number in range(10)]
    for number, loan in enumerate(loans):
        ask(library, loan, "Momo", age=number)
    for loan in loans:
        await_one_of(library, loan, {"BookLent", "LoanRefused"})
    await_rest(library)

    lent = Counter("BookLent" in types(library, loan) for loan in loans)
    assert lent == {True: COPIES, False: len(loans) - COPIES}
    assert copies(library)["Momo"] == 0
    for loan in loans:
        assert len(said(library, loan)) == len(types(library, loan)), "a repeat has the same id"
        assert "BookPutBack" not in types(library, loan), "nothing was set aside for a refused reader"


def test_a_log_line_names_the_loan_as_the_library_does(library: RunningSystem) -> None:
    ask(library, "unknown-book", "Ulysses", 30)
    await_end(library, "unknown-book", "LoanRefused")

    assert types(library, "unknown-book") == {"LoanRefused"}
    assert '"loanId": "unknown-book"' in (library.data / "logs" / "set-aside-book.log").read_text("utf-8")


def test_the_example_is_as_short_as_it_says() -> None:
    files = [path for kind in ("*.py", "*.yaml") for path in LIBRARY.rglob(kind)]
    lines = [line for path in files for line in path.read_text("utf-8").splitlines() if line.strip()]

    assert 0 < len(lines) <= MOST_LINES


def test_a_copy_of_the_library_made_as_the_page_says_is_a_system_of_its_own(tmp_path: Path) -> None:
    # the library on a laptop shows that such a system runs; here, that nothing of the copy leads back to it
    page = (ROOT / "examples" / "README.md").read_text("utf-8")
    (printed,) = re.findall(r"```sh\n(cp -r examples/library .*?)make run SYSTEM=examples/bakery\n```", page, re.DOTALL)
    shutil.copytree(LIBRARY, tmp_path / "examples" / "library", ignore=shutil.ignore_patterns(".data", "__pycache__"))
    subprocess.run(["bash", "-euc", printed], cwd=tmp_path, check=True)
    shutil.rmtree(tmp_path / "examples" / "library")

    bakery = tmp_path / "examples" / "bakery"
    assert [path for path in bakery.rglob("*") if path.is_file() and "library" in path.read_text("utf-8")] == []
    found = read_system([bakery / "manifests"])
    assert {function.namespace for function in found.functions} == {"bakery"}
    assert found.brokers == ("bakery/lending",)
    for main in bakery.glob("functions/*/main.py"):
        loading = [sys.executable, str(main)]
        subprocess.run(loading, env={"PYTHONPATH": f"{ROOT}:{tmp_path}"}, check=True, capture_output=True)


def test_one_command_runs_another_system() -> None:
    command = ["make", "--dry-run", "--no-print-directory", "run", "status", "clean", "SYSTEM=examples/library"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert 'laptop run --system "examples/library"' in printed
    assert 'laptop status --system "examples/library"' in printed
    assert 'laptop.clean "examples/library/.data"' in printed
