"""How the tests are shared out among workers."""

import pytest

from tests import distribution
from tests.distribution import BOARD, NICER, NOT_MEASURED, ORDER, give_way, place_of, share_of, unmeasured, workers

RESTARTS = "tests/databases/test_reruns.py::test_a_hold_is_made_once"


def test_all_tests_on_one_database_server_share_a_worker_that_starts_it_once() -> None:
    other = "tests/databases/test_locks.py::test_a_lock[mariadb-16]"

    assert share_of(f"{RESTARTS}[mariadb]") == share_of(f"{RESTARTS}[2-mariadb]") == share_of(other)
    assert share_of(f"{RESTARTS}[postgresql]") != share_of(f"{RESTARTS}[mariadb]")
    assert share_of(RESTARTS) == "tests/databases/test_reruns.py"


def test_at_most_two_workers_start_whole_airlines_at_the_same_time() -> None:
    airlines, page = share_of("tests/laptop/test_run.py::test_a[1]"), share_of("tests/browser/test_trip.py::test_b")

    assert airlines == share_of("tests/reliability/test_laws.py::test_a") == share_of(f"{BOARD}.py::test_b")
    assert page == share_of("tests/browser/test_search.py::test_a") != airlines
    assert share_of("tests/integration/test_saga.py::test_a") not in (airlines, page)


def test_one_worker_more_than_there_are_cores_computes_while_airlines_are_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)

    assert workers(["tests"]) == 3
    assert workers(["tests/unit/test_ids.py", "tests/unit/test_drift.py::test_a"]) == 2


def test_whoever_starts_no_airline_is_nicer_to_those_who_do_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    nicer: list[int] = []
    monkeypatch.setattr("os.nice", nicer.append)
    distribution._is_nicer.cache_clear()

    for test in ("tests/laptop/test_run.py::test_a", "tests/browser/test_trip.py::test_b"):
        give_way(test)
    assert nicer == []
    for test in ("tests/broker/test_order.py::test_a", "tests/unit/test_ids.py::test_b"):
        give_way(test)
    assert nicer == [NICER]


def test_what_shares_one_server_of_its_own_stays_together_and_beside_the_airlines() -> None:
    airlines = share_of("tests/laptop/test_run.py::test_a")

    assert (
        share_of("tests/broker/test_order.py::test_a") == share_of("tests/broker/test_filters.py::test_b") != airlines
    )
    assert (
        share_of("tests/cli/test_commands.py::test_a") != airlines == share_of("tests/cli/test_on_a_laptop.py::test_b")
    )


@pytest.mark.parametrize("file", ["tests/model/test_saga_model.py", "tests/deployment/test_overlays.py"])
def test_long_tests_without_a_server_are_shared_out_one_by_one(file: str) -> None:
    assert share_of(f"{file}::test_a[1]") != share_of(f"{file}::test_a[2]")


def test_what_is_long_is_taken_first_and_unit_tests_last() -> None:
    named = [*(f"{beginning}::test_a" for beginning in ORDER), "tests/unit/test_ids.py::test_a"]

    longest_last = named[::-1]

    assert sorted(longest_last, key=place_of) == named


def test_coverage_is_not_measured_where_it_would_say_nothing_new() -> None:
    class Item:
        def __init__(self, nodeid: str) -> None:
            self.nodeid, self.markers = nodeid, list[str]()

        def add_marker(self, marker: pytest.MarkDecorator) -> None:
            self.markers.append(marker.name)

    elsewhere, here = (
        [Item(f"{place}test_a.py::test_b") for place in NOT_MEASURED],
        Item("tests/unit/test_ids.py::test_b"),
    )

    unmeasured([*elsewhere, here])  # type: ignore[list-item]

    assert [item.markers for item in elsewhere] == [["no_cover"]] * len(NOT_MEASURED)
    assert here.markers == []
