"""The embedded broker's log on disk."""

import sqlite3
from pathlib import Path

import pytest

from broker.embedded import event_log
from broker.embedded.event import Event
from broker.embedded.event_log import Log
from broker.embedded.log_file import LogGoneError, LogInUseError, WrongSchemaError

UNORDERED, ORDERED = ("airline/unordered", False), ("airline/ordered", True)


def event(number: int) -> Event:
    return Event(
        {"specversion": "1.0", "id": str(number), "source": "/s", "type": "t", "partitionkey": str(number)}, b"{}"
    )


def filled(path: Path, count: int, *triggers: tuple[str, bool], partitions: int = 10) -> tuple[Log, dict[str, int]]:
    log = Log(path, partitions)
    ids = log.register_triggers(triggers)
    log.begin()
    for number in range(count):
        log.append(event(number), [(ids[key], ordered) for key, ordered in triggers])
    log.commit()
    return log, ids


def all_lanes(log: Log, trigger_id: int) -> list[int]:
    return [offset for lane in range(20) for offset in offsets(log, trigger_id, lane)]


def offsets(log: Log, trigger_id: int, lane: int = 0) -> list[int]:
    return [stored.offset for stored in log.next_deliveries(trigger_id, lane, after=0, limit=1000)]


def test_events_come_back_in_order_and_in_portions(tmp_path: Path) -> None:
    log, ids = filled(tmp_path / "log.db", 5, UNORDERED)

    first = log.next_deliveries(ids[UNORDERED[0]], 0, after=0, limit=2)

    assert [stored.event for stored in first] == [event(0), event(1)]
    rest = log.next_deliveries(ids[UNORDERED[0]], 0, after=first[-1].offset, limit=10)
    assert [stored.event.attributes["id"] for stored in rest] == ["2", "3", "4"]


def test_what_is_rolled_back_was_never_there(tmp_path: Path) -> None:
    log, ids = filled(tmp_path / "log.db", 1, UNORDERED)
    log.begin()
    log.append(event(7), [(ids[UNORDERED[0]], False)])
    log.rollback()

    assert log.stored_events == 1
    log.begin()
    assert log.append(event(8), []).stored.offset == 2
    log.commit()


def test_only_finished_events_are_pruned_and_the_newest_stays(tmp_path: Path) -> None:
    log, ids = filled(tmp_path / "log.db", 5, UNORDERED)
    for offset in (1, 2, 4, 5):
        log.delivered(ids[UNORDERED[0]], 0, offset)

    log.prune(older_than_ms=0, more_than=100, at_most=100)
    assert log.stored_events == 3

    log.delivered(ids[UNORDERED[0]], 0, 3)
    log.prune(older_than_ms=0, more_than=100, at_most=100)
    assert log.stored_events == 1


def test_the_file_shrinks_again_when_what_it_held_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "SPARE_PAGES", 10)
    path = tmp_path / "log.db"
    log, _ = filled(path, 3000)
    log.close()
    large = path.stat().st_size

    log = Log(path, partitions=10)
    log.begin()
    log.prune(older_than_ms=0, more_than=1, at_most=10_000)
    log.commit()
    log.close()

    assert path.stat().st_size < large / 2


def test_finished_events_stay_for_a_while_up_to_a_limit(tmp_path: Path) -> None:
    log, _ = filled(tmp_path / "log.db", 10)

    log.prune(older_than_ms=60_000, more_than=100, at_most=100)
    assert log.stored_events == 10
    log.prune(older_than_ms=60_000, more_than=4, at_most=100)
    assert log.stored_events == 4


@pytest.mark.parametrize("trigger", [UNORDERED, ORDERED])
def test_room_is_made_behind_a_waiting_event_as_well(tmp_path: Path, trigger: tuple[str, bool]) -> None:
    log, ids = filled(tmp_path / "log.db", 6, trigger)
    waiting = log.waiting()
    for _, lane in waiting:
        for offset in offsets(log, ids[trigger[0]], lane):
            if offset != 2:
                log.delivered(ids[trigger[0]], lane, offset)

    log.make_room(among=100)

    assert all_lanes(log, ids[trigger[0]]) == [2]
    log.close()
    connection = sqlite3.connect(tmp_path / "log.db")
    assert connection.execute("SELECT offset FROM events").fetchall() == [(2,), (6,)]
    connection.close()


def test_an_ordered_trigger_has_a_lane_for_each_partition(tmp_path: Path) -> None:
    log, ids = filled(tmp_path / "log.db", 40, ORDERED, partitions=4)

    assert {lane for _, lane in log.waiting()} == {0, 1, 2, 3}
    assert sorted(all_lanes(log, ids[ORDERED[0]])) == list(range(1, 41))


@pytest.mark.parametrize(("before", "after"), [(False, True), (True, False)])
def test_a_change_of_order_takes_the_backlog_along(tmp_path: Path, before: bool, after: bool) -> None:
    log, _ = filled(tmp_path / "log.db", 20, ("airline/it", before))

    ids = log.register_triggers([("airline/it", after)])

    assert sorted(all_lanes(log, ids["airline/it"])) == list(range(1, 21))
    assert (len(log.waiting()) > 1) == after


def test_fewer_partitions_than_before_lose_nothing(tmp_path: Path) -> None:
    log, ids = filled(tmp_path / "log.db", 40, ORDERED, partitions=10)
    log.close()

    log = Log(tmp_path / "log.db", partitions=2)
    log.prune(older_than_ms=0, more_than=0, at_most=100)

    assert sorted(all_lanes(log, ids[ORDERED[0]])) == list(range(1, 41))


def test_a_trigger_that_is_gone_forgets_its_backlog(tmp_path: Path) -> None:
    log, _ = filled(tmp_path / "log.db", 3, UNORDERED)
    log.register_triggers([])

    ids = log.register_triggers([UNORDERED])

    assert all_lanes(log, ids[UNORDERED[0]]) == []


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(WrongSchemaError, match="99"):
        Log(tmp_path / "log.db", 10)


def test_a_log_has_one_broker_at_a_time(tmp_path: Path) -> None:
    first = Log(tmp_path / "log.db", 10)

    with pytest.raises(LogInUseError, match="used by another broker"):
        Log(tmp_path / "log.db", 10)

    first.close()
    Log(tmp_path / "log.db", 10).close()


@pytest.mark.parametrize("fate", ["deleted", "replaced"])
def test_a_log_that_was_deleted_or_replaced_takes_no_event_until_it_is_back(tmp_path: Path, fate: str) -> None:
    path, shelf = tmp_path / "broker.db", tmp_path / "shelf"
    log = Log(path, partitions=1)
    path.rename(shelf)
    if fate == "replaced":
        path.touch()
    with pytest.raises(LogGoneError, match="gone" if fate == "deleted" else "replaced"):
        log.begin()
    log.rollback()
    shelf.rename(path)
    log.begin()
    assert log.append(event(1), []).stored.offset == 1
    log.commit()
    log.close()
