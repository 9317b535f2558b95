"""What the laptop shows of its functions' logs, and how it keeps them small."""

import json
import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from laptop import logs
from laptop.lifecycle import backoff
from laptop.logs import Log


def test_warnings_errors_and_gunicorns_complaints_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log("reserve", tmp_path / "reserve.log")
    entries = [
        json.dumps({"level": "INFO", "message": "all is well"}),
        json.dumps({"level": "WARNING", "message": "the outbox waits"}),
        json.dumps({"severity": "error", "message": "no database"}),
        "[2026-11-23 08:00:00] [1] [ERROR] Worker (pid:2) exited with code 1.",
        "just a line",
        "{not JSON",
    ]
    log.path.write_text("\n".join(entries) + "\n", "utf-8")
    log.show_news()
    shown = capsys.readouterr().err
    assert "reserve  warning: the outbox waits" in shown
    assert "reserve  error: no database" in shown
    assert "[ERROR] Worker" in shown
    assert len(shown.splitlines()) == 3


def test_a_line_is_shown_once_and_only_when_it_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log("reserve", tmp_path / "reserve.log")
    line = json.dumps({"level": "ERROR", "message": "no database"})
    log.path.write_text(line[:10], "utf-8")
    log.show_news()
    log.path.write_text(line + "\n", "utf-8")
    log.show_news()
    log.show_news()
    assert capsys.readouterr().err.count("no database") == 1


def test_a_storm_of_errors_stays_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log("reserve", tmp_path / "reserve.log")
    log.path.write_text((json.dumps({"level": "ERROR", "message": "again"}) + "\n") * 100, "utf-8")
    log.show_news()
    assert "and 80 more" in capsys.readouterr().err


def test_a_log_file_is_kept_within_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LIMIT", 1000)
    log = Log("reserve", tmp_path / "reserve.log")
    with log.path.open("a", encoding="utf-8") as writer:  # as a child: it goes on with the file it has open
        writer.write("x" * 999 + "\n" + "y" * 100 + "\n")
        writer.flush()
        log.show_news()
        writer.write("afterwards\n")
    assert log.path.read_text("utf-8") == "afterwards\n"
    assert log.path.with_suffix(".log.1").stat().st_size == 1101


def test_a_clock_that_is_put_back_does_not_keep_a_function_awake(tmp_path: Path) -> None:
    log = Log("reserve", tmp_path / "reserve.log")
    log.path.write_text("a line of tomorrow\n", "utf-8")
    os.utime(log.path, (time.time() + 86_400,) * 2)
    assert 0 <= log.quiet_for() < 10
    first = log.quiet_for()
    assert log.quiet_for() > first


def test_a_log_that_somebody_removed_is_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log("reserve", tmp_path / "logs" / "reserve.log")
    log.path.write_text("x" * 100 + "\n", "utf-8")
    log.show_news()
    shutil.rmtree(log.path.parent)
    log.show_news()
    assert log.last_lines() == []
    log.path.write_text(json.dumps({"level": "ERROR", "message": "no database"}) + "\n", "utf-8")
    log.show_news()
    assert "no database" in capsys.readouterr().err


def test_a_terminal_that_is_gone_ends_no_function(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stderr", full)
        logs.say("reserve", "nobody reads this")
        with suppress(OSError):
            full.close()


def test_pauses_grow_with_quick_deaths_up_to_a_limit() -> None:
    assert [backoff(deaths) for deaths in range(5)] == [0.0, 0.25, 0.5, 1.0, 2.0]
    assert backoff(50) == 10.0
