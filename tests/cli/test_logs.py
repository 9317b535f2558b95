"""`airline logs`: the lines of all functions about one reservation, from files and from pods."""

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from cli import here, log_sources
from cli.commands import logs
from tests.cli.conftest import Output

Typed = Callable[..., Output]


def line(second: int, service: str, reservation: str | None = "TRIP1", **more: Any) -> str:
    about = {"reservationId": reservation} if reservation else {}
    time = f"2026-11-28T09:00:{second:02}.000Z"
    return json.dumps({"time": time, "level": "INFO", "service": service, "message": "handled Paid", **about, **more})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The logs of a laptop that need not run any more."""
    monkeypatch.setattr(here, "DATA", tmp_path)
    monkeypatch.setattr(logs, "PAUSE", 0.01)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


def write(folder: Path, name: str, *lines: str) -> None:
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write("".join(f"{each}\n" for each in lines))


def services(said: Output) -> list[str]:
    return [json.loads(each)["service"] for each in said.out.splitlines()]


def test_the_lines_of_all_functions_come_in_the_order_in_which_they_were_logged(typed: Typed, folder: Path) -> None:
    write(folder, "reserve.log.1", line(1, "reserve"))
    write(folder, "reserve.log", line(5, "reserve"), line(2, "reserve", "TRIP2"), line(2, "reserve", None))
    write(folder, "payment.log", "Traceback (most recent call last):", "{broken", line(3, "payment", status=200), "[1]")

    said = typed("logs", "TRIP1", "--json")

    assert (said.code, services(said)) == (0, ["reserve", "payment", "reserve"])
    drawn = typed("logs", "TRIP1").out.splitlines()
    assert "payment" in drawn[1]
    assert "status=200" in drawn[1]


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\r", "\x0c", "\n", "\x1b[2J"])
def test_a_line_about_an_event_with_the_end_of_a_line_in_its_id_is_one_line_and_shown(
    typed: Typed, folder: Path, end: str
) -> None:
    logged = json.loads(line(1, "reserve", eventId=f"odd{end}id"))
    write(folder, "reserve.log", json.dumps(logged, ensure_ascii=False))  # as functions write it

    assert json.loads(typed("logs", "TRIP1", "--json").out)["eventId"] == f"odd{end}id"
    assert typed("logs", "TRIP1").out.count("\n") == 1


def test_a_line_that_was_kept_when_its_file_was_cut_is_shown_once(typed: Typed, folder: Path) -> None:
    for name in ("reserve.log.1", "reserve.log"):
        write(folder, name, line(1, "reserve"))

    assert services(typed("logs", "TRIP1", "--json")) == ["reserve"]


def test_a_traceback_is_shown_by_its_last_line_and_cannot_steer_the_terminal(typed: Typed, folder: Path) -> None:
    write(folder, "reserve.log", line(1, "reserve", exception="Traceback\n  File\nOSError: \x1b[2Jburnt"))

    said = typed("logs", "TRIP1").out
    assert "OSError: \N{REPLACEMENT CHARACTER}[2Jburnt" in said
    assert "\x1b" not in said


def test_a_reservation_that_nobody_has_logged_anything_about_is_refused(typed: Typed, folder: Path) -> None:
    write(folder, "reserve.log", line(1, "reserve"))

    said = typed("logs", "TRIP9")
    assert said.code == 3
    assert "No function has logged anything about reservation TRIP9." in said.err


def test_where_nothing_has_run_there_is_nothing_to_read(typed: Typed, folder: Path) -> None:
    folder.rmdir()

    said = typed("logs", "TRIP1")
    assert said.code == 3
    assert "nothing has run here" in said.err


def test_what_is_logged_meanwhile_is_followed_in_files_that_grow_are_cut_and_are_new(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "reserve.log", line(1, "reserve"), line(2, "reserve"))
    later: Iterator[Callable[[], object]] = iter(
        [
            lambda: write(folder, "payment.log", line(3, "payment")),
            lambda: (folder / "reserve.log").write_text(line(4, "reserve") + "\n"),
        ]
    )
    monkeypatch.setattr(time, "sleep", lambda _: next(later)())
    monkeypatch.setattr(logs, "note", lambda _: None)
    found = logs._lines(log_sources.files(here.DATA), "TRIP1", follow=True)
    assert [each["time"][17:19] for each in islice(found, 4)] == ["01", "02", "03", "04"]


KUBECTL = """#!/bin/sh
echo "$@" >> "$TYPED"
case "$*" in *broken*) echo "no such namespace" >&2; exit 1;; esac
cat "$LINES"
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What was typed to a kubectl that prints two pods' lines."""
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(KUBECTL)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "lines").write_text(f"{line(2, 'payment')}\n{line(1, 'reserve')}\n")
    for name, value in {"KUBECONFIG": "x", "TYPED": str(tmp_path / "typed"), "LINES": str(tmp_path / "lines")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path / "typed"


def test_on_a_cluster_the_lines_come_from_the_pods_of_all_functions(typed: Typed, cluster: Path) -> None:
    said = typed("logs", "TRIP1", "--json", "--namespace", "sandbox")

    assert services(said) == ["reserve", "payment"]
    (command,) = cluster.read_text().splitlines()
    assert "--namespace sandbox --selector serving.knative.dev/service --container user-container" in command


def test_what_kubectl_complains_of_is_said(typed: Typed, cluster: Path) -> None:
    said = typed("logs", "TRIP1", "--namespace", "broken")

    assert (said.code, "kubectl logs: no such namespace" in said.err) == (2, True)


def test_without_kubectl_it_is_said_what_is_missing(
    typed: Typed, cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")

    assert "kubectl is not installed" in typed("logs", "TRIP1").err


def test_the_verdict_of_a_reconcile_is_left_for_prometheus(typed: Typed, tmp_path: Path) -> None:
    file = tmp_path / "laws.prom"

    assert typed("reconcile", "--metrics", str(file)).code == 0
    assert 'airline_law_broken{law="nothing is owed for long"} 0.0' in file.read_text()
    assert typed("reconcile", "--metrics", str(tmp_path / "no" / "laws.prom")).code != 0
