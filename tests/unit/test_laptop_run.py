"""What one part of a run does to the others when it fails: nothing."""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from laptop import run as running
from laptop import state as kept
from laptop.addresses import Addresses
from laptop.container_environment import SecretKey
from laptop.errors import LaptopError
from laptop.manifests import System
from laptop.options import of_system
from laptop.process import Children
from laptop.run import Run
from laptop.runtime import RuntimeFolder


def one_run(data: Path) -> Run:
    options = replace(of_system(), data=data)
    return Run(options, System((), None, (), ()), Addresses({}), Children(options.run), RuntimeFolder(data))


def in_a_loop(work: Callable[[], Awaitable[Any]]) -> Any:
    async def within() -> Any:
        async with asyncio.timeout(20):
            return await work()

    return asyncio.run(within())


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOENT])
def test_a_part_that_fails_is_begun_again_while_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    monkeypatch.setattr(running, "backoff", lambda _: 0.0)

    async def story() -> tuple[int, bool]:
        this, attempts, well = one_run(tmp_path), 0, asyncio.Event()

        async def failing() -> None:
            nonlocal attempts
            attempts += 1
            if attempts < 3:
                raise OSError(number, os.strerror(number))
            well.set()

        async def lasting() -> None:
            await asyncio.Event().wait()

        this.spawn("decrease-seats", failing)
        this.spawn("charge-payment", lasting)
        await well.wait()
        others = [task for task in this.tasks if not task.done()]
        for task in this.tasks:
            task.cancel()
        return attempts, bool(others)

    assert in_a_loop(story) == (3, True)
    said = capsys.readouterr().err
    assert said.count("decrease-seats  failed") == 2
    assert os.strerror(number) in said
    assert "everything else goes on" in said


def test_a_state_that_a_full_disk_refuses_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(running, "STATE_AGAIN", 0.01)
    refusals = [OSError(errno.ENOSPC, "No space left on device")] * 3
    written = asyncio.Event()

    def write_state(data: Path, state: object) -> None:
        if refusals:
            raise refusals.pop()
        kept.write_state(data, {"state": str(state)})
        written.set()

    monkeypatch.setattr(running, "write_state", write_state)

    async def story() -> None:
        one_run(tmp_path).write()
        await written.wait()

    in_a_loop(story)
    assert (tmp_path / "state.json").exists()
    assert capsys.readouterr().err.count("cannot be written (No space left on device); trying again") == 1


def test_a_damaged_file_of_secrets_is_reported_and_not_replaced(tmp_path: Path) -> None:
    key = SecretKey("airline-secrets", "PASSWORD")
    first = kept.kept_secret(tmp_path, key)
    assert kept.kept_secret(tmp_path, key) == first
    (tmp_path / "secrets.json").write_text('{"airline-', "utf-8")
    with pytest.raises(LaptopError, match=r"secrets\.json is damaged"):
        kept.kept_secret(tmp_path, key)
