"""The short version of the harness: the whole system, disturbed and killed again and again, keeps all laws."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.reliability import harness
from tests.reliability.plan import PROVIDER, Order, Strike, orders, strikes, strikes_at_the_provider

SHORT = [
    "--seed=3",
    "--reservations=160",
    "--kills=14",
    "--patience=6",
    "--expires-after=6",
    "--housekeeping=*/2 * * * * *",
    "--retry=2",
    "--calm=2",
    "--settle-within=60",
    "--disturb=twice=0.1,late=0.1,lost=0.05,latest=1.5",
]


@pytest.mark.timeout(180)
def test_nothing_is_lost_and_nothing_doubled_while_everything_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = harness.main([*SHORT, f"--data={tmp_path / 'run'}"])
    said = capsys.readouterr().out
    assert code == 0, said
    for struck in ("supervisor", "broker", "gateway", "provider's call"):
        assert f"-> {struck}\n" in said
    for hit in ("twice", "late", "lost"):
        assert f" {hit}" in next(line for line in said.splitlines() if line.startswith("deliveries"))


AWAY = [
    "--no-replay",
    "--seed=5",
    "--reservations=40",
    "--clients=4",
    "--patience=30",
    "--expires-after=15",
    "--owed-after=10",
    "--housekeeping=*/3 * * * * *",
    "--calm=3",
    "--settle-within=240",
    "--disturb=",
]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("part", os.environ.get("LONG_OUTAGES", "provider").split(","))
def test_after_an_outage_longer_than_all_retries_the_airline_comes_to_rest_without_a_person(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = harness.main([f"--long-outage={part}", *AWAY, f"--data={tmp_path / 'run'}"])
    assert code == 0, capsys.readouterr().out


@pytest.mark.parametrize("typed", [["--long-outage=nobody"], ["--long-outage=provider", "--kills=3"]])
def test_a_run_that_cannot_be_meant_is_refused(typed: list[str]) -> None:
    with pytest.raises(SystemExit):
        harness.main(typed)


def test_a_provider_that_is_a_server_of_its_own_is_killed_in_the_middle_of_charges() -> None:
    struck = strikes_at_the_provider(7, 50, 60)

    assert [strike.what for strike in struck] == [PROVIDER] * 7
    assert PROVIDER not in {strike.what for strike in strikes(7, 50, 60, broker_away=0, database_away=0)}


def test_a_seed_repeats_the_orders_and_the_strikes_and_another_one_does_not() -> None:
    def drawn(seed: int) -> tuple[Sequence[Order], Sequence[Strike]]:
        return list(orders(seed, 50, 20)), strikes(seed, 50, 20, broker_away=1, database_away=1)

    assert drawn(7) == drawn(7)
    assert drawn(7)[0] != drawn(8)[0]
    assert drawn(7)[1] != drawn(8)[1]
    assert len(drawn(7)[1]) == 22
