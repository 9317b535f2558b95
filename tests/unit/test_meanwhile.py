"""One thread that takes the calls which arrive while its own waits, and commits all of them at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask, Request
from sqlalchemy import Connection

from choreography import meanwhile, store, worker
from choreography.errors import Invalid
from tests.unit.test_together import SAGA, commits, file, hear, keep, kept

__all__ = ["file"]
Call = Callable[[], object]


def in_one_thread(first: Call, arrived: list[Call], most: int = 4) -> object:
    """What the first call returns; the others have arrived when it waits, or arrive later."""

    def take() -> bool:
        call = arrived.pop(0) if arrived else None
        if call:
            call()
        return call is not None

    def serve() -> object:
        meanwhile.may_take(take, most)
        return first()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(serve).result(60)


def heard(name: str) -> Call:
    return lambda: store.commit(hear(name))


def test_events_that_have_arrived_are_committed_by_one_transaction(file: Any) -> None:
    seen = commits(file)

    in_one_thread(heard("R0"), [heard("R1"), heard("R2"), heard("R3")])

    assert kept() == {"R0", "R1", "R2", "R3"}
    assert len(seen) == 1


def test_no_more_events_are_under_way_than_the_function_answers_at_once(file: Any) -> None:
    seen = commits(file)

    in_one_thread(heard("R0"), [heard("R1"), heard("R2")], most=2)

    assert kept() == {"R0", "R1"}, "the third one waits until the thread is free"
    assert len(seen) == 1


@pytest.mark.usefixtures("file")
def test_an_event_that_is_refused_meanwhile_leaves_the_others_as_they_are() -> None:
    def refused() -> None:
        def work(transaction: Connection) -> None:
            keep("half done", transaction)
            raise Invalid("no such reservation")

        with pytest.raises(Invalid):
            store.commit(work)

    in_one_thread(heard("R0"), [refused, heard("R1")])

    assert kept() == {"R0", "R1"}


@pytest.mark.usefixtures("file")
def test_an_event_is_kept_though_a_call_that_was_taken_ends_the_thread() -> None:
    def ends() -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        in_one_thread(heard("R0"), [ends])

    assert kept() == {"R0"}


@pytest.mark.usefixtures("file")
def test_no_call_is_taken_while_a_transaction_is_under_way() -> None:
    arrived: list[Call] = []

    def work(transaction: Connection) -> None:
        arrived.append(heard("R1"))
        meanwhile.take_others(lambda: False)
        keep("R0", transaction)

    in_one_thread(lambda: store.commit(work), arrived)

    assert kept() == {"R0"}
    assert len(arrived) == 1


@pytest.mark.usefixtures("file")
def test_what_is_known_of_one_saga_is_not_of_the_next() -> None:
    def of_a_saga() -> None:
        SAGA.set("first")
        store.commit(hear("R0"))

    found: list[str] = []
    in_one_thread(of_a_saga, [lambda: found.append(SAGA.get("none"))])

    assert found == ["none"]


def application(target: Callable[[Request], Any]) -> Flask:
    made = Flask("function")
    made.add_url_rule("/", "run", target)
    return made


def dashboard(_: Request) -> str:
    return ""


@pytest.mark.usefixtures("file")
def test_only_what_says_so_of_itself_is_answered_by_one_thread() -> None:
    @meanwhile.waits_for_its_commit_only
    def marked(_: Request) -> str:
        return ""

    assert worker.is_for_one_thread(application(marked))
    assert not worker.is_for_one_thread(application(dashboard))
    assert not worker.is_for_one_thread(Flask("of somebody else"))
    assert not worker.is_for_one_thread(Flask("of somebody else").wsgi_app)


def test_a_function_whose_database_is_a_server_has_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    from choreography.settings import settings  # noqa: PLC0415

    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://airline@localhost/airline")
    settings.cache_clear()
    assert not worker.is_for_one_thread(application(meanwhile.waits_for_its_commit_only(lambda _: "")))
    settings.cache_clear()
