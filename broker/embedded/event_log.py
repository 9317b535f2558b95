"""The durable log: events, what each Trigger still has to deliver, which attempts failed, and what nobody took.

What nobody took is kept once for a Trigger and an event, however often it is given up, and goes when it is taken.

An event names the Triggers that wanted it. A delivery that was taken at the first attempt, as nearly all are, leaves no
more than that: one of them that does not wait any longer, and has no ending among the attempts. lookup.py reads it so.

One connection writes; whoever uses it calls begin, the changes, and commit or rollback in turn. A second connection
reads what is committed. log_file.py has the tables, log_records.py what is read from them.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from broker.embedded.event import AS_JSON, Event
from broker.embedded.log_file import SameFile, bring_up_to_date, locked, opened
from broker.embedded.log_records import Appended, Attempt, Ending, KeptEvent, StoredEvent
from broker.embedded.partitions import partition_of

CORRELATION = "correlationid"  # CloudEvents extension "correlation": what belongs together; events are looked up by it
SHARE_FOR_INGRESS = 0.8  # of a bounded file; the rest is for replies, without which no delivery could end
LONGEST_REASON = 200
SPARE_PAGES = 256
MOST_ATTEMPTS = 20  # of one delivery to one destination; whatever comes after them takes the place of the last one


class LogFullError(RuntimeError):
    """Events from outside are refused, so that what is in the log already can be ended and answered."""


class Log:
    """partitions: as on the cluster; max_bytes: bound of the file, None for no bound but the disk's."""

    def __init__(self, path: Path, partitions: int, max_bytes: int | None = None) -> None:
        self.path = path
        self._partitions = partitions
        self._pages_for_ingress: int | None = None
        self._lock = locked(path)
        self._writer = opened(path)
        self._file = SameFile(path)
        bring_up_to_date(self._writer)
        if max_bytes is not None:
            (page_size,) = self._writer.execute("PRAGMA page_size").fetchone()
            self._writer.execute(f"PRAGMA max_page_count = {max_bytes // page_size}")
            self._pages_for_ingress = int(max_bytes // page_size * SHARE_FOR_INGRESS)
        self._reader = opened(path)
        self._reader.execute("PRAGMA query_only = ON")
        self._lane_count = max(partitions, self._highest_lane() + 1)  # the last run may have had more partitions
        first, last = self._writer.execute("SELECT min(offset), max(offset) FROM events").fetchone()
        self._first, self._last = first or 1, last or 0
        self._before: tuple[int, int] = self._first, self._last

    @property
    def stored_events(self) -> int:
        """Exact but for the gaps that make_room leaves."""
        return self._last - self._first + 1

    def begin(self) -> None:
        """Raises LogGoneError where the file is not there any more."""
        self._before = self._first, self._last
        self._file.check()
        self._writer.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """May block for as long as the disk takes; may run in a thread other than that of the changes."""
        self._writer.execute("COMMIT")

    def rollback(self) -> None:
        self._first, self._last = self._before
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def register_triggers(self, triggers: Iterable[tuple[str, bool]]) -> dict[str, int]:
        """(key, ordered) of all Triggers -> their ids. A Trigger that is gone loses what it had not delivered.

        It keeps its id, which events name.
        """
        wanted = dict(triggers)
        self.begin()
        for trigger_id, key, ordered in self._writer.execute("SELECT id, key, ordered FROM triggers").fetchall():
            if key not in wanted:
                self._writer.execute("DELETE FROM deliveries WHERE trigger_id = ?", (trigger_id,))
            elif bool(ordered) != wanted[key]:
                self._change_order(trigger_id, wanted[key])
        for key, is_ordered in wanted.items():
            self._writer.execute("INSERT OR IGNORE INTO triggers (key, ordered) VALUES (?, ?)", (key, is_ordered))
        self.commit()
        return {key: number for key, number in self._reader.execute("SELECT key, id FROM triggers") if key in wanted}

    def check_room(self) -> None:
        """Raises LogFullError if no more events from outside are accepted."""
        if self._pages_for_ingress is not None:
            (pages,) = self._writer.execute("PRAGMA page_count").fetchone()
            (free,) = self._writer.execute("PRAGMA freelist_count").fetchone()
            if pages - free >= self._pages_for_ingress:
                raise LogFullError("the broker's database is full")

    def append(self, event: Event, trigger_ids: Sequence[tuple[int, bool]]) -> Appended:
        """Stores the event and, for each (Trigger id, ordered), a pending delivery."""
        offset, ids = self._last + 1, tuple([trigger_id for trigger_id, _ in trigger_ids])
        partition = partition_of(event.attributes.get("partitionkey"), offset, self._partitions)
        attributes = AS_JSON(event.attributes)
        self._writer.execute(
            "INSERT INTO events (offset, partition, stored_at, attributes, data, correlation, wanted)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                offset,
                partition,
                _now_ms(),
                attributes,
                event.data,
                event.attributes.get(CORRELATION),
                _ids_as_json(ids),
            ),
        )
        self._last = offset
        rows = [(trigger_id, partition if ordered else 0, offset) for trigger_id, ordered in trigger_ids]
        self._writer.executemany("INSERT INTO deliveries (trigger_id, lane, offset) VALUES (?, ?, ?)", rows)
        return Appended(StoredEvent(offset, partition, event), ids)

    def delivered(self, trigger_id: int, lane: int, offset: int) -> None:
        self._writer.execute(
            "DELETE FROM deliveries WHERE trigger_id = ? AND lane = ? AND offset = ?", (trigger_id, lane, offset)
        )

    def attempted(self, trigger_id: int, offset: int, attempt: Attempt, ending: Ending | None = None) -> None:
        """ending: what became of the delivery, if this was its last attempt."""
        failure, place = attempt.failure and attempt.failure[:LONGEST_REASON], min(attempt.number, MOST_ATTEMPTS)
        times = attempt.began_at, attempt.ended_at, attempt.next_at
        self._writer.execute(
            "INSERT OR REPLACE INTO attempts"
            " (offset, trigger_id, to_sink, place, number, began_at, ended_at, next_at, failure, ending)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (offset, trigger_id, attempt.to_sink, place, attempt.number, *times, failure, ending),
        )

    def keep(self, trigger_key: str, offset: int, event: Event, reason: str) -> None:
        """An event that is kept already for this Trigger stays one row: it was given up once more."""
        source, event_id = event.attributes["source"], event.attributes["id"]
        attributes = json.dumps(event.attributes, ensure_ascii=False)
        self._writer.execute(
            "INSERT INTO kept (trigger_key, source, event_id, offset, kept_at, reason, attributes, data)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (trigger_key, source, event_id) DO UPDATE SET"
            " times = times + 1, offset = excluded.offset, kept_at = excluded.kept_at, reason = excluded.reason,"
            " attributes = excluded.attributes, data = excluded.data",
            (trigger_key, source, event_id, offset, _now_ms(), reason, attributes, event.data),
        )

    def no_longer_kept(self, trigger_key: str, event: Event) -> None:
        """The Trigger, or its dead-letter sink, has taken the event after all."""
        self._writer.execute(
            "DELETE FROM kept WHERE trigger_key = ? AND source = ? AND event_id = ?",
            (trigger_key, event.attributes["source"], event.attributes["id"]),
        )

    def prune_kept(self, more_than: int) -> int:
        """Keeps that many of the newest kept events and deletes the others. Returns how many it deleted."""
        return self._writer.execute(
            "DELETE FROM kept WHERE id IN (SELECT id FROM kept ORDER BY kept_at DESC, id DESC LIMIT -1 OFFSET ?)",
            (more_than,),
        ).rowcount

    def prune(self, older_than_ms: int, more_than: int, at_most: int) -> None:
        """Deletes up to at_most of the oldest events that all Triggers are through with and that are older, or stand
        behind more than that many others, or behind more than that many failed attempts; the newest stays.

        Works as a log does: from the front, up to the first event that still waits for a delivery.
        """
        oldest = "SELECT min(offset) FROM deliveries WHERE trigger_id = ? AND lane = ?"
        waiting = [self._writer.execute(oldest, lane).fetchone()[0] for lane in self._lanes(self._writer)]
        end = min([offset for offset in waiting if offset is not None] + [self._last, self._first + at_most])
        too_many = max(self._last - more_than, self._offset_of_attempt(more_than))
        deleted = self._writer.execute(
            "DELETE FROM events WHERE offset < ? AND (stored_at <= ? OR offset <= ?)",
            (end, _now_ms() - older_than_ms, too_many),
        ).rowcount
        if deleted:
            (self._first,) = self._writer.execute("SELECT min(offset) FROM events").fetchone()
            self._writer.execute("DELETE FROM attempts WHERE offset < ?", (self._first,))
        self._shrink(at_most)

    def _shrink(self, pages: int) -> None:
        """Gives that many free pages back to the disk at most, and keeps SPARE_PAGES for what comes next."""
        (free,) = self._writer.execute("PRAGMA freelist_count").fetchone()
        for _ in range(min(pages, free - SPARE_PAGES)):
            self._writer.execute("PRAGMA incremental_vacuum(1)")  # of several, sqlite3 would wait for the first only

    def make_room(self, among: int) -> None:
        """Deletes the finished ones among that many of the oldest events, including those behind a waiting one."""
        finished = self._writer.execute(
            "SELECT e.offset FROM (SELECT offset, partition FROM events WHERE offset < ? ORDER BY offset LIMIT ?) e"
            " WHERE NOT EXISTS (SELECT 1 FROM triggers t JOIN deliveries d ON d.trigger_id = t.id"
            " AND d.offset = e.offset AND d.lane = CASE WHEN t.ordered THEN e.partition ELSE 0 END)",
            (self._last, among),
        ).fetchall()
        self._writer.executemany("DELETE FROM events WHERE offset = ?", finished)
        self._writer.executemany("DELETE FROM attempts WHERE offset = ?", finished)
        self._first = self._writer.execute("SELECT min(offset) FROM events").fetchone()[0] or self._first

    def waiting(self) -> dict[tuple[int, int], int]:
        """(Trigger id, lane) -> number of deliveries to be done."""
        query = "SELECT trigger_id, lane, count(*) FROM deliveries GROUP BY trigger_id, lane"
        return {(trigger_id, lane): count for trigger_id, lane, count in self._reader.execute(query).fetchall()}

    def oldest_waiting(self) -> dict[int, float]:
        """Trigger id -> when the oldest event that it waits for came, seconds since 1970.

        Those that wait for nothing are left out. One look for each lane, however many events wait.
        """
        query = (
            "SELECT min(e.stored_at) FROM events e WHERE e.offset ="
            " (SELECT min(offset) FROM deliveries WHERE trigger_id = ? AND lane = ?)"
        )
        found: dict[int, float] = {}
        for trigger_id, lane in self._lanes(self._reader):
            (stored_at,) = self._reader.execute(query, (trigger_id, lane)).fetchone()
            if stored_at is not None:
                found[trigger_id] = min(stored_at / 1000, found.get(trigger_id, stored_at / 1000))
        return found

    def next_deliveries(self, trigger_id: int, lane: int, after: int, limit: int) -> list[StoredEvent]:
        rows = self._reader.execute(
            "SELECT e.offset, e.partition, e.attributes, e.data FROM deliveries d JOIN events e ON e.offset = d.offset"
            " WHERE d.trigger_id = ? AND d.lane = ? AND d.offset > ? ORDER BY d.offset LIMIT ?",
            (trigger_id, lane, after, limit),
        ).fetchall()
        return [StoredEvent(offset, partition, _event(text, data)) for offset, partition, text, data in rows]

    def kept_counts(self) -> dict[str, int]:
        return dict(self._reader.execute("SELECT trigger_key, count(*) FROM kept GROUP BY trigger_key").fetchall())

    def kept_events(self, after: int, limit: int) -> list[KeptEvent]:
        rows = self._reader.execute(
            "SELECT id, trigger_key, offset, kept_at / 1000.0, times, reason, attributes, data FROM kept"
            " WHERE id > ? ORDER BY id LIMIT ?",
            (after, limit),
        ).fetchall()
        return [
            KeptEvent(row_id, key, offset, kept_at, times, reason, _event(text, data))
            for row_id, key, offset, kept_at, times, reason, text, data in rows
        ]

    def close(self) -> None:
        self._reader.close()
        self._writer.close()
        self._lock.close()

    def _offset_of_attempt(self, newer: int) -> int:
        """The newest event at or after which the log has that many attempts; 0 if there is none."""
        found = self._writer.execute("SELECT offset FROM attempts ORDER BY offset DESC LIMIT 1 OFFSET ?", (newer,))
        return int((found.fetchone() or (0,))[0])

    def _change_order(self, trigger_id: int, ordered: bool) -> None:
        lane = "(SELECT partition FROM events WHERE events.offset = deliveries.offset)" if ordered else "0"
        self._writer.execute(f"UPDATE deliveries SET lane = {lane} WHERE trigger_id = ?", (trigger_id,))  # noqa: S608
        self._writer.execute("UPDATE triggers SET ordered = ? WHERE id = ?", (ordered, trigger_id))

    def _highest_lane(self) -> int:
        highest = "SELECT max(lane) FROM deliveries WHERE trigger_id = ?"
        triggers = self._writer.execute("SELECT id FROM triggers").fetchall()
        return max((self._writer.execute(highest, row).fetchone()[0] or 0 for row in triggers), default=0)

    def _lanes(self, connection: sqlite3.Connection) -> list[tuple[int, int]]:
        triggers = connection.execute("SELECT id, ordered FROM triggers").fetchall()
        return [(key, lane) for key, ordered in triggers for lane in range(self._lane_count if ordered else 1)]


def _event(attributes: str, data: bytes | None) -> Event:
    return Event(json.loads(attributes), data)


@lru_cache(maxsize=256)  # events of a type have the same
def _ids_as_json(ids: tuple[int, ...]) -> str:
    return AS_JSON(ids)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
