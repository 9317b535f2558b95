"""Events that not even the dead-letter sink took."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Output
from tests.cli.fake_airline import FakeAirline

Typed = Callable[..., Output]


def event(number: int, trigger: str = "airline/restore-seats") -> dict[str, Any]:
    said = {"id": f"e{number}", "source": "/airline/reserve", "type": "ReservationCanceled", "correlationid": "GOOD"}
    moment = "2026-03-01T11:00:00+00:00"
    return {"id": number, "trigger": trigger, "times": 2, "keptAt": moment, "reason": "\x1b[31mno", "event": said}


@pytest.fixture(autouse=True)
def kept(fake: FakeAirline) -> None:
    fake.kept = [event(1), event(2, "airline/refund-payment"), event(5)]


def replays(fake: FakeAirline) -> list[str]:
    return [path for method, path, _ in fake.asked if method == "POST"]


def test_kept_events_are_listed_with_who_gave_up_and_why(typed: Typed) -> None:
    said = typed("dead-letters", "kept", "list")
    assert said.code == 0
    for word in ("airline/restore-seats", "ReservationCanceled", "GOOD", "\N{REPLACEMENT CHARACTER}[31mno", "3 of 3"):
        assert word in said.out
    assert "\x1b" not in said.out


def test_the_list_is_read_to_its_end_and_shown_up_to_its_limit(typed: Typed, fake: FakeAirline) -> None:
    fake.kept = [event(number) for number in range(1, 2501)]
    found = typed("dead-letters", "kept", "list", "--limit", "2", "--json").json
    assert (found["total"], [one["id"] for one in found["kept"]]) == (2500, [1, 2])


def test_those_of_one_trigger_are_listed(typed: Typed) -> None:
    found = typed("dead-letters", "kept", "list", "--trigger", "airline/refund-payment", "--json").json
    assert [one["id"] for one in found["kept"]] == [2]


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("5",), ["/kept/5/replay"]),
        (("--trigger", "airline/restore-seats"), ["/kept/1/replay", "/kept/5/replay"]),
        (("--all",), ["/kept/1/replay", "/kept/2/replay", "/kept/5/replay"]),
    ],
)
def test_one_those_of_a_trigger_or_all_are_replayed(
    typed: Typed, fake: FakeAirline, words: tuple[str, ...], asked: list[str]
) -> None:
    assert typed("dead-letters", "kept", "replay", *words).code == 0
    assert replays(fake) == asked


def test_what_cannot_be_replayed_is_reported_and_holds_up_no_other(typed: Typed, fake: FakeAirline) -> None:
    fake.answers["kept/1/replay"] = (404, {"detail": "the Trigger airline/restore-seats is gone"})
    said = typed("dead-letters", "kept", "replay", "--all", "--json")
    assert (said.code, said.json["replayed"]) == (3, 2)
    assert said.json["refused"] == [{"id": 1, "why": "the Trigger airline/restore-seats is gone"}]
    assert typed("dead-letters", "kept", "replay", "4").code == 3


@pytest.mark.parametrize("words", [(), ("5", "--all"), ("--all", "--trigger", "x"), ("0",), ("x",)])
def test_a_replay_that_does_not_say_of_what_is_typed_wrong(
    typed: Typed, fake: FakeAirline, words: tuple[str, ...]
) -> None:
    assert typed("dead-letters", "kept", "replay", *words).code == 64
    assert replays(fake) == []


def test_a_broker_that_keeps_nothing_is_reported_as_such(typed: Typed, fake: FakeAirline) -> None:
    fake.kept = None
    for words in (("list",), ("replay", "--all")):
        said = typed("dead-letters", "kept", *words)
        assert (said.code, "keeps no events" in said.err) == (3, True)
