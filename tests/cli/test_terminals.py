"""`bin/airline` as it is typed: from anywhere, on any terminal, in any environment."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from testbed.running_system import ROOT
from tests.cli.fake_airline import FakeAirline
from tests.cli.sample_books import flight

AIRLINE = ROOT / "bin" / "airline"
ADD = ("flights", "add", "--code", "제주/\N{AIRPLANE}", "--date", "2027-12-25", "--cost", "1", "--seats", "2")
ODD = {
    "PYTHONSAFEPATH": "1",
    "PYTHONPATH": "/nowhere:relative",
    "PYTHONHOME": "/nowhere",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "CDPATH": "/:/tmp",
    "BASH_ENV": "/nowhere",
    "ENV": "/nowhere",
    "http_proxy": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "ALL_PROXY": "http://127.0.0.1:1",
}


def typed(
    fake: FakeAirline,
    *words: str,
    program: Path = AIRLINE,
    folder: Path = ROOT,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    around = {"PATH": os.environ["PATH"], "AIRLINE_URL": fake.url, **(environment or {})}
    return subprocess.run([program, *words], cwd=folder, env=around, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "terminal",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "euc-kr"},
        {"PYTHONIOENCODING": "latin-1:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["ASCII", "EUC-KR", "Latin-1", "the locale C"],
)
def test_a_terminal_that_lacks_a_character_still_shows_what_was_done(
    fake: FakeAirline, terminal: dict[str, str]
) -> None:
    added = typed(fake, *ADD, environment=terminal)
    assert (added.returncode, added.stderr) == (0, b"")
    assert b"2027-12-25" in added.stdout
    listed = typed(fake, "flights", "list", "--json", environment=terminal)
    assert json.loads(listed.stdout.decode("ascii"))["flights"] == fake.lists["flights"]


def test_it_runs_through_links_from_a_folder_full_of_traps_in_an_odd_environment(
    fake: FakeAirline, tmp_path: Path
) -> None:
    links = tmp_path / "a b"
    links.mkdir()
    (links / "absolute").symlink_to(AIRLINE)
    (links / "relative").symlink_to("absolute")
    for module in ("cli", "client", "json", "requests", "typing", "laptop"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('not ours')", "utf-8")
    shown = typed(fake, "flights", "list", "--json", program=links / "relative", folder=tmp_path, environment=ODD)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert json.loads(shown.stdout)["total"] == len(fake.lists["flights"])


def test_before_an_installation_it_says_how_to_get_one(fake: FakeAirline, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "airline"
    program.write_bytes(AIRLINE.read_bytes())
    program.chmod(0o755)
    before = typed(fake, "flights", "list", program=program)
    assert before.returncode == 70
    assert f"nothing is installed in {tmp_path} yet; `make run` there" in before.stderr.decode()


def test_an_interrupted_installation_is_explained_in_words(fake: FakeAirline, tmp_path: Path) -> None:
    for room in ("cli", "client", "laptop", "terminal"):
        (tmp_path / room).symlink_to(ROOT / room)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "airline").write_bytes(AIRLINE.read_bytes())
    (tmp_path / "bin" / "airline").chmod(0o755)
    subprocess.run(["python3", "-m", "venv", "--without-pip", str(tmp_path / ".venv")], check=True)
    halfway = typed(fake, "flights", "list", program=tmp_path / "bin" / "airline")
    assert halfway.returncode == 70
    assert b"is not installed yet; `make run` installs everything" in halfway.stderr
    assert b"Traceback" not in halfway.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_full_disk_behind_the_answer_is_reported_without_a_traceback(fake: FakeAirline, unbuffered: str) -> None:
    fake.lists["flights"].append(flight(77))
    with Path("/dev/full").open("wb") as full:
        environment = {"PATH": os.environ["PATH"], "AIRLINE_URL": fake.url, "PYTHONUNBUFFERED": unbuffered}
        said = subprocess.run(
            [AIRLINE, "flights", "list"], env=environment, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert said.returncode == 70
    assert said.stderr == b"airline: It was done, but the answer cannot be written: No space left on device.\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_mistake(fake: FakeAirline, closed: str) -> None:
    environment = {"PATH": os.environ["PATH"], "AIRLINE_URL": fake.url}
    command = ["/bin/sh", "-c", f'"$0" "$@" {closed}', str(AIRLINE), *ADD]
    said = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)
    assert said.returncode == 0, said.stderr
    assert len(fake.asked) == 1
