"""A schema changes in two steps: old and new functions work side by side, and what comes too early loses nothing."""

import importlib.util
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

import flights
from choreography import connections, migrations, store
from testbed import next_release
from testbed.database_servers import Files, Server
from testbed.next_release import CABIN
from testbed.project import databases as folders_of_databases
from testbed.sample_events import canceled, placed

NUMBERS = itertools.count()
SEATS = 5


@dataclass(frozen=True)
class Rolling:
    """One database of flight-seats, on its way to the next release; `old` and `new` are the rules of both."""

    engine: Engine
    folder: Path
    old: ModuleType
    new: ModuleType

    def expand(self) -> None:
        next_release.expand(self.folder)
        migrations.upgrade(self.folder, self.engine.url)

    def contract(self) -> None:
        next_release.contract(self.folder)
        migrations.upgrade(self.folder, self.engine.url)

    def reserve(self, release: ModuleType, reservation: str, seats: int = 1) -> Any:
        """What this release answers to ReservationPlaced."""
        return store.commit(lambda t: release.decrease_remaining_seats(placed(reservation, seats), t), self.engine)

    def cancel(self, release: ModuleType, reservation: str) -> Any:
        """What this release answers to ReservationCanceled."""
        return store.commit(lambda t: release.restore_seats(canceled(reservation), t), self.engine)

    @property
    def remaining(self) -> int:
        return int(self._ask("SELECT remaining_seats_count FROM flights WHERE id = 1")[0][0])

    @property
    def cabins(self) -> dict[str, str | None]:
        """By reservation."""
        return {row[0]: row[1] for row in self._ask("SELECT reservation_id, cabin FROM holds")}

    @property
    def holds(self) -> set[str]:
        return {row[0] for row in self._ask("SELECT reservation_id FROM holds")}

    def _ask(self, query: str) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(query)).all())


@pytest.fixture
def rolling(server: Files | Server, tmp_path: Path) -> Iterator[Rolling]:
    """Migrated as this release is; flight 1 has five seats. Both releases keep their connections all the while."""
    engine = connections.engine(server.database(f"rolling_{next(NUMBERS)}"))
    folder = next_release.lay_out(tmp_path)
    migrations.upgrade(folder, engine.url)
    flight = {
        "flight_code": "ACE890",
        "takeoff_date": placed().reserve_date,
        "cost": 200,
        "remaining_seats_count": SEATS,
    }
    store.commit(lambda t: flights.add_flight(flight, t), engine)
    yield Rolling(engine, folder, flights, loaded(folder / "flights.py"))
    engine.dispose()


def loaded(file: Path) -> ModuleType:
    """The rules of the next release, beside those of this one."""
    spec = importlib.util.spec_from_file_location("flights_of_the_next_release", file)
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def kind(said: Any) -> str:
    return type(said).__name__


def test_old_functions_work_on_the_schema_that_the_next_release_brings(rolling: Rolling) -> None:
    assert kind(rolling.reserve(rolling.old, "BEFORE")) == "RemainingSeatsDecreased"
    rolling.expand()

    assert kind(rolling.reserve(rolling.old, "AFTER")) == "RemainingSeatsDecreased"
    assert kind(rolling.cancel(rolling.old, "BEFORE")) == "RemainingSeatsIncreased"
    assert rolling.remaining == SEATS - 1


def test_old_and_new_functions_share_a_saga_while_the_schema_is_wide(rolling: Rolling) -> None:
    rolling.expand()
    rolling.reserve(rolling.old, "OLD")
    rolling.reserve(rolling.new, "NEW")

    # a redelivery that meets the other release says the same again, and a cancel gives back once
    assert rolling.reserve(rolling.new, "OLD") == rolling.reserve(rolling.old, "OLD")
    assert rolling.reserve(rolling.old, "NEW") == rolling.reserve(rolling.new, "NEW")
    assert rolling.remaining == SEATS - 2
    assert (
        kind(rolling.cancel(rolling.new, "OLD"))
        == kind(rolling.cancel(rolling.old, "NEW"))
        == "RemainingSeatsIncreased"
    )
    assert rolling.cancel(rolling.old, "OLD") == rolling.cancel(rolling.new, "OLD")
    assert rolling.remaining == SEATS
    assert rolling.cabins == {"OLD": None, "NEW": CABIN}


def test_new_functions_work_before_and_after_what_they_replaced_is_gone(rolling: Rolling) -> None:
    rolling.expand()
    rolling.reserve(rolling.old, "OLD")
    rolling.reserve(rolling.new, "NEW")
    rolling.contract()

    assert rolling.cabins == {"OLD": CABIN, "NEW": CABIN}, "the contract carries over what old functions left empty"
    assert kind(rolling.reserve(rolling.new, "LATER")) == "RemainingSeatsDecreased"
    assert kind(rolling.cancel(rolling.new, "OLD")) == "RemainingSeatsIncreased"
    assert kind(rolling.cancel(rolling.new, "EARLY")) == "SeatsNotHeld"
    assert kind(rolling.reserve(rolling.new, "LATER")) == "RemainingSeatsDecreased"
    assert rolling.remaining == SEATS - 2


def test_the_first_release_may_come_back_while_the_schema_is_wide(rolling: Rolling) -> None:
    rolling.expand()
    rolling.reserve(rolling.new, "NEW")

    assert kind(rolling.cancel(rolling.old, "NEW")) == "RemainingSeatsIncreased"
    assert rolling.remaining == SEATS


def test_functions_that_start_before_their_schema_fail_and_leave_no_trace(rolling: Rolling) -> None:
    with pytest.raises(DBAPIError):
        rolling.reserve(rolling.new, "EARLY")
    assert (rolling.holds, rolling.remaining) == (set(), SEATS)

    rolling.expand()
    assert kind(rolling.reserve(rolling.new, "EARLY")) == "RemainingSeatsDecreased"


def test_a_contract_that_comes_while_old_functions_run_stops_them_and_loses_nothing(rolling: Rolling) -> None:
    rolling.expand()
    rolling.reserve(rolling.old, "OLD")
    rolling.contract()

    for reservation in ("LATE", "LATE"):
        with pytest.raises(DBAPIError):
            rolling.reserve(rolling.old, reservation)
    assert (rolling.holds, rolling.remaining) == ({"OLD"}, SEATS - 1)
    # the broker delivers again, and the new function does it
    assert kind(rolling.reserve(rolling.new, "LATE")) == "RemainingSeatsDecreased"


@pytest.mark.parametrize("server", ["sqlite"], indirect=True, scope="session")
@pytest.mark.parametrize("folder", folders_of_databases(), ids=lambda folder: folder.name)
def test_no_migration_takes_away_what_the_release_before_it_needs(server: Files, folder: Path) -> None:
    """A release that removes something does so when its predecessor no longer needs it, and says so here."""
    engine = connections.engine_of_migrations(server.database(f"steps_{next(NUMBERS)}"))
    before: dict[str, dict[str, Any]] = {}
    for revision in reversed(list(script(folder).walk_revisions())):
        store.commit(lambda t, to=revision.revision: upgraded(folder, t, to), engine)  # type: ignore[misc]
        after = columns(engine)
        for table, known in before.items():
            assert known.keys() <= after[table].keys(), f"{revision.revision} removes a column of {table}"
            added = after[table].keys() - known.keys()
            must = {
                name for name in added if not after[table][name]["nullable"] and after[table][name]["default"] is None
            }
            assert must == set(), f"an INSERT of the release before {revision.revision} would lack a column of {table}"
            stricter = {name for name in known if known[name]["nullable"] and not after[table][name]["nullable"]}
            assert stricter == set(), f"{revision.revision} refuses what the release before it leaves empty in {table}"
        before = after
    engine.dispose()
    assert before


def columns(engine: Engine) -> dict[str, dict[str, Any]]:
    found = inspect(engine)
    return {
        table: {column["name"]: dict(column) for column in found.get_columns(table)}
        for table in found.get_table_names()
    }


def script(folder: Path) -> Any:
    return ScriptDirectory.from_config(migrations.config(folder, None))


def upgraded(folder: Path, transaction: Connection, to: str) -> None:
    command.upgrade(migrations.config(folder, transaction), to)
