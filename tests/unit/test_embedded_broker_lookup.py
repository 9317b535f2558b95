"""What the embedded broker reports about its deliveries, and how it stays bounded."""

from pathlib import Path
from typing import Any

import pytest

from broker.embedded.event import Event
from broker.embedded.event_log import Log
from broker.embedded.log_records import Attempt, Ending
from broker.embedded.lookup import MOST_EVENTS, look_up

AT = 1_772_362_800.0
TRIGGERS = {"airline/careful": True, "airline/quick": False}


class Book:
    """A log with two Triggers, one of them ordered."""

    def __init__(self, path: Path) -> None:
        self.log = Log(path, partitions=10)
        self.ids = self.log.register_triggers(TRIGGERS.items())

    def append(self, event_id: str, *triggers: str, **extensions: str) -> int:
        attributes = {"specversion": "1.0", "id": event_id, "source": "/s", "type": "t", **extensions}
        self.log.begin()
        appended = self.log.append(Event(attributes, b"{}"), [(self.ids[key], TRIGGERS[key]) for key in triggers])
        self.log.commit()
        return appended.stored.offset

    def end(self, trigger: str, offset: int) -> None:
        lanes = range(10) if TRIGGERS[trigger] else (0,)
        self.log.begin()
        for lane in lanes:
            self.log.delivered(self.ids[trigger], lane, offset)
        self.log.commit()

    def try_(self, trigger: str, offset: int, attempt: Attempt, ending: Ending | None = None) -> None:
        self.log.begin()
        self.log.attempted(self.ids[trigger], offset, attempt, ending)
        self.log.commit()

    def look_up(self, **wanted: str) -> dict[str, Any]:
        return look_up(self.log.path, wanted)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "log.db")


def failed(number: int, next_in: float | None = None, why: str = "status 503", to_sink: bool = False) -> Attempt:
    ended = AT + number + 0.25
    return Attempt(number, to_sink, AT + number, ended, why, None if next_in is None else ended + next_in)


def test_what_was_taken_at_once_leaves_no_attempt_and_what_was_not_tried_waits(book: Book) -> None:
    offset = book.append("e", "airline/careful", "airline/quick", correlationid="S")
    book.end("airline/quick", offset)

    [event] = book.look_up(correlationid="S")["events"]

    assert (event["id"], event["source"], event["type"], event["offset"]) == ("e", "/s", "t", offset)
    assert event["deliveries"] == [
        {"trigger": "airline/careful", "state": "waiting", "attempts": []},
        {"trigger": "airline/quick", "state": "delivered", "attempts": []},
    ]


def test_a_failed_attempt_says_why_and_when_the_next_is_due(book: Book) -> None:
    offset = book.append("e", "airline/careful", correlationid="S")
    book.try_("airline/careful", offset, failed(1, next_in=2))

    [delivery] = book.look_up(correlationid="S")["events"][0]["deliveries"]

    due = "2026-03-01T11:00:03.250+00:00"
    assert delivery == {
        "trigger": "airline/careful",
        "state": "retrying",
        "nextAt": due,
        "attempts": [
            {
                "number": 1,
                "to": "subscriber",
                "at": "2026-03-01T11:00:01.000+00:00",
                "seconds": 0.25,
                "failure": "status 503",
                "nextAt": due,
            }
        ],
    }


@pytest.mark.parametrize("ending", ["delivered", "dead-lettered", "kept"])
def test_a_delivery_that_ended_says_how(book: Book, ending: Ending) -> None:
    offset = book.append("e", "airline/quick", correlationid="S")
    book.try_("airline/quick", offset, failed(1))
    book.try_("airline/quick", offset, Attempt(1, True, AT + 5, AT + 5, None), ending)
    book.end("airline/quick", offset)

    [delivery] = book.look_up(correlationid="S")["events"][0]["deliveries"]

    assert delivery["state"] == ending
    assert [attempt["to"] for attempt in delivery["attempts"]] == ["subscriber", "dead-letter sink"]


def test_events_are_found_by_any_attributes_and_a_repeat_is_there_twice(book: Book) -> None:
    for event_id, saga, customer in [("a", "S", "1"), ("b", "S", "2"), ("b", "S", "2"), ("c", "T", "2")]:
        book.append(event_id, correlationid=saga, customer=customer)

    def ids(**wanted: str) -> list[str]:
        return [event["id"] for event in book.look_up(**wanted)["events"]]

    assert ids(correlationid="S") == ["a", "b", "b"]
    assert ids(customer="2") == ["b", "b", "c"]
    assert ids(correlationid="S", customer="1") == ["a"]
    assert ids(unheard="of") == []
    assert ids() == ["a", "b", "b", "c"]


def test_only_the_newest_events_are_reported(book: Book) -> None:
    book.log.begin()
    for number in range(MOST_EVENTS + 1):
        book.log.append(Event({"specversion": "1.0", "id": str(number), "source": "/s", "type": "t"}, None), [])
    book.log.commit()

    found = book.look_up()

    assert (len(found["events"]), found["events"][0]["id"], found["more"]) == (MOST_EVENTS, "1", True)


def test_attempts_go_with_their_events_and_too_many_take_events_along(book: Book) -> None:
    offsets = [book.append(str(number), "airline/quick", correlationid="S") for number in range(3)]
    for offset in offsets:
        for number in (1, 2):
            book.try_("airline/quick", offset, failed(number))
        book.end("airline/quick", offset)

    book.log.begin()
    book.log.prune(older_than_ms=60_000, more_than=3, at_most=100)
    book.log.commit()

    assert [event["id"] for event in book.look_up()["events"]] == ["2"]
    assert attempts_on_disk(book) == 2


def test_room_is_made_of_attempts_as_well(book: Book) -> None:
    offsets = [book.append(str(number), "airline/quick") for number in range(3)]
    for offset in offsets:
        book.try_("airline/quick", offset, failed(1))
    book.end("airline/quick", offsets[0])

    book.log.begin()
    book.log.make_room(among=100)
    book.log.commit()

    assert attempts_on_disk(book) == 2


def test_a_long_reason_is_cut(book: Book) -> None:
    offset = book.append("e", "airline/quick", correlationid="S")
    book.try_("airline/quick", offset, failed(1, why="x" * 5000))

    [attempt] = book.look_up(correlationid="S")["events"][0]["deliveries"][0]["attempts"]

    assert attempt["failure"] == "x" * 200


def test_a_trigger_that_is_gone_is_still_named(book: Book) -> None:
    book.append("e", "airline/quick", correlationid="S")
    book.log.register_triggers([])

    [delivery] = book.look_up(correlationid="S")["events"][0]["deliveries"]

    assert delivery["trigger"] == "airline/quick"


def attempts_on_disk(book: Book) -> int:
    return len(book.log._reader.execute("SELECT offset FROM attempts").fetchall())
