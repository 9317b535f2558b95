"""Commands as they are typed: what they say, how they end, and that a repeat is harmless."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from cli import here
from cli.commands import saga
from cli.here import connect
from client.errors import Unreachable
from client.gateway import Airline
from laptop.data_folder import only_run
from testbed.listening import serving
from testbed.recording_broker import nobody_listens
from testbed.running_system import ROOT
from tests.cli.conftest import Output
from tests.cli.fake_airline import FakeAirline
from tests.cli.sample_books import flight

Typed = Callable[..., Output]
LETTER = {
    "id": "4f",
    "eventId": "e1",
    "type": "Paid",
    "source": "/airline/payment",
    "function": "confirm-reservation",
    "reservationId": "GOOD",
    "code": 500,
    "reason": "failed with [bold]\x1b[31mKeyError",
    "times": 2,
    "firstAt": "2026-03-01T11:00:00Z",
    "lastAt": "2026-03-01T11:00:00Z",
    "status": "OPEN",
    "note": None,
}


def event(identity: str, type_: str, cause: str | None, after: float | None, **data: object) -> dict[str, object]:
    return {
        "id": identity,
        "type": type_,
        "source": "/airline/reserve",
        "causationId": cause,
        "time": "2026-03-01T11:00:00.000Z",
        "after": after,
        "data": data,
    }


@contextmanager
def healthy() -> Iterator[str]:
    """Somebody else's gateway."""
    app = Flask("other")
    app.add_url_rule("/healthz", view_func=lambda: ("", 204))
    with serving(make_server("127.0.0.1", 0, app, threaded=True)) as url:
        yield url


@pytest.fixture
def story(fake: FakeAirline) -> None:
    fake.lists["dead-letters"] = [LETTER]
    fake.events["GOOD"] = {
        "_embedded": {
            "events": [
                event("e0", "ReservationPlaced", "from outside", None, seatQty=3),
                event("e1", "Paid", "e0", 0.25, amount=300),
                event("e2", "ReservationConfirmed", "e1", 1.5),
            ]
        },
        "waitsFor": [{"function": "confirm-reservation", "for": 2.0}],
    }


def test_flights_are_listed_as_a_table_and_as_json(typed: Typed) -> None:
    assert "1 of 1" in typed("flights", "list").out
    assert typed("flights", "list", "--json").json == {"total": 1, "flights": [flight()]}
    assert typed("--json", "flights", "list").json["total"] == 1


def test_lists_longer_than_a_page_are_read_to_their_limit(typed: Typed, fake: FakeAirline) -> None:
    fake.lists["flights"] = [flight(number) for number in range(2500)]
    assert len(typed("flights", "list", "--limit", "2400", "--json").json["flights"]) == 2400
    assert typed("flights", "list", "--limit", "3", "--json").json["total"] == 2500


def test_of_a_list_that_is_too_long_to_be_counted_it_says_how_many_it_has_at_least(
    typed: Typed, fake: FakeAirline
) -> None:
    page = {"totalElements": 1000, "totalIsLeast": True}
    fake.answers["flights"] = (200, {"_embedded": {"flights": [flight()]}, "page": page})
    assert "1 of 1,000 or more" in typed("flights", "list", "--limit", "1").out
    found = typed("flights", "list", "--limit", "1", "--json").json
    assert (found["total"], found["totalIsLeast"]) == (1000, True)
    assert "1,000 or more" in typed("status").out


def test_reservations_are_filtered_by_the_service(typed: Typed) -> None:
    found = typed("reservations", "--status", "CANCELED", "--customer", "7", "--json").json
    assert [reservation["reservationId"] for reservation in found["reservations"]] == ["BACK"]


def test_the_same_key_adds_a_flight_once(typed: Typed, fake: FakeAirline) -> None:
    words = ("flights", "add", "--code", "KE1", "--date", "2027-01-01", "--cost", "5", "--seats", "9", "--key", "k")
    assert typed(*words).code == typed(*words).code == 0
    assert len(fake.lists["flights"]) == 2


def test_a_flight_is_changed_by_its_number_and_what_is_not_given_stays(typed: Typed, fake: FakeAirline) -> None:
    fake.answers["flights/1"] = (200, flight() | {"capacity": 9})

    changed = typed("flights", "change", "1", "--capacity", "9", "--json")

    assert (changed.code, changed.json["capacity"], fake.asked[-1][:2]) == (0, 9, ("PATCH", "/flights/1"))
    assert typed("flights", "change", "1").code == 3


def test_a_flight_is_changed_only_as_long_as_it_is_as_it_was_read(typed: Typed, fake: FakeAirline) -> None:
    fake.tags["flights/1"] = "as-it-is"
    fake.changed_meanwhile.add("flights/1")

    refused = typed("flights", "change", "1", "--capacity", "9")

    assert fake.conditions == ['"as-it-is"']
    assert (refused.code, "nothing was done" in refused.err) == (3, True)


def test_a_saga_is_drawn_with_every_event_under_its_cause(typed: Typed, story: None) -> None:
    lines = typed("saga", "show", "GOOD").out.splitlines()
    assert "reservation GOOD SUCCEED  3 seats on flight 1 for customer 7" in lines[0]
    names = ("ReservationPlaced", "Paid", "ReservationConfirmed")
    depth = {word: line.index(word) for line in lines for word in names if f"─ {word}" in line}
    assert depth["ReservationPlaced"] < depth["Paid"] < depth["ReservationConfirmed"]
    assert any("+250 ms" in line and "amount 300" in line for line in lines)
    assert any("dead letter OPEN" in line and "confirm-reservation, 2 times" in line for line in lines)
    assert "waits for confirm-reservation, for 2.00 s now" in lines[-2]
    assert lines[-1] == "this broker shows neither its deliveries nor which functions woke for them"
    assert typed("saga", "show", "GOOD", "--json").json["deliveries"] is None


def stored(event_id: str, *deliveries: dict[str, Any]) -> dict[str, Any]:
    at = "2026-03-01T11:00:00.000+00:00"
    return {"id": event_id, "type": "Paid", "storedAt": at, "deliveries": deliveries}


def attempt(number: int, failure: str | None, to: str = "subscriber") -> dict[str, Any]:
    at = f"2026-03-01T11:00:0{number}.000+00:00"
    return {"number": number, "to": to, "at": at, "seconds": 0.012, "failure": failure, "nextAt": None}


def test_a_saga_shows_who_took_an_event_what_is_retried_and_what_was_repeated(
    typed: Typed, story: None, fake: FakeAirline
) -> None:
    taken = {"trigger": "airline/project-dashboard-on-all", "state": "delivered", "attempts": []}
    tries = [attempt(1, "status 503"), attempt(2, "no answer within 5 s")]
    retried = {"trigger": "airline/confirm", "state": "retrying", "nextAt": "2026-03-01T12:00", "attempts": tries}
    late = {"trigger": "airline/late", "state": "delivered", "attempts": [attempt(1, "status 500"), attempt(2, None)]}
    fake.deliveries = [stored("e1", taken, retried), stored("e1", late), stored("unheard", taken)]

    drawn = typed("saga", "show", "GOOD").out

    for line in (
        "taken by project-dashboard-on-all",
        "retrying Paid to confirm, next at 2026-03-01T12:00",
        "1. 2026-03-01T11:00:01.000+00:00 12 ms, subscriber: status 503",
        "repeated Paid",
        "delivered Paid to late",
        "subscriber: taken",
    ):
        assert line in drawn
    assert (drawn.count("taken by"), drawn.count("repeated")) == (2, 1)
    assert "which functions woke is known only in the folder where the airline runs" in drawn
    assert typed("saga", "show", "GOOD", "--json").json["deliveries"][0]["deliveries"] == [taken, retried]


def test_a_saga_shows_which_function_woke_for_an_event(
    typed: Typed, story: None, fake: FakeAirline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wakings = [
        {"at": "2026-03-01T10:59:00.000+00:00", "seconds": 1.9},  # for an event before
        {"at": "2026-03-01T10:59:59.000+00:00", "seconds": 2.1},  # still starting when e1 came
        {"at": "2026-03-01T11:00:30.000+00:00", "seconds": 1.7},  # for an event after
    ]
    ahead = {"triggers": ["airline/ahead"], "wakings": [{"at": "2026-03-01T10:59:57.000+00:00", "seconds": 1.2}]}
    awake = {"triggers": ["airline/on-all"], "wakings": []}
    services = {
        "confirm-reservation": {"triggers": ["airline/confirm"], "wakings": wakings},
        "dashboard": awake,
        "early": ahead,
    }
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"gateway": fake.url, "services": services}))
    monkeypatch.setattr(here, "DATA", tmp_path)
    deliveries = [
        {"trigger": f"airline/{name}", "state": "delivered", "attempts": []} for name in ("confirm", "on-all", "ahead")
    ]
    fake.deliveries = [stored("e1", *deliveries)]

    drawn = typed("saga", "show", "GOOD").out

    assert "woke confirm-reservation, 2.10 s" in drawn
    assert "woke ahead early, 1.20 s" in drawn
    assert drawn.count("woke") == 2
    woken, early = typed("saga", "show", "GOOD", "--json").json["woken"]
    assert (woken["eventId"], woken["function"], woken["seconds"]) == ("e1", "confirm-reservation", 2.1)
    assert (woken["ahead"], early["ahead"]) == (False, True)


def test_what_strangers_wrote_does_not_steer_the_terminal(typed: Typed, story: None) -> None:
    said = typed("saga", "show", "GOOD").out
    assert "[bold]" in said
    assert "\x1b" not in said


def test_a_saga_is_followed_until_nothing_is_waited_for(typed: Typed, story: None, fake: FakeAirline) -> None:
    fake.events["GOOD"]["waitsFor"] = []
    assert typed("saga", "show", "GOOD", "--follow", "--json").json["waitsFor"] == []
    assert "ReservationConfirmed" in typed("saga", "show", "GOOD", "--follow").out


def test_a_saga_is_followed_past_an_end_that_the_dashboard_has_not_heard_of(
    typed: Typed, story: None, fake: FakeAirline, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.events["GOOD"]["waitsFor"] = []
    last = fake.events["GOOD"]["_embedded"]["events"].pop()
    look = saga.known

    def late(airline: Airline, identity: str) -> dict[str, Any]:
        history = look(airline, identity)
        fake.events["GOOD"]["_embedded"]["events"] = [*history["events"], last]
        return history

    monkeypatch.setattr(saga, "known", late)
    assert len(typed("saga", "show", "GOOD", "--follow", "--json").json["events"]) == 3


def test_an_unknown_saga_is_refused(typed: Typed) -> None:
    said = typed("saga", "show", "NEVER")
    assert (said.code, said.out) == (3, "")
    assert "Nothing has been heard of reservation NEVER" in said.err


def test_events_that_cause_each_other_are_drawn_all_the_same(typed: Typed, story: None, fake: FakeAirline) -> None:
    circle = [event("a", "Paid", "b", 0.1), event("b", "PaymentFailed", "a", 0.1), event("c", "Paid", "c", 0)]
    fake.events["GOOD"]["_embedded"]["events"] = circle
    drawn = typed("saga", "show", "GOOD").out
    assert (drawn.count("PaymentFailed"), drawn.count("  /airline/reserve")) == (1, 3)


def test_dead_letters_are_replayed_batch_by_batch(typed: Typed, fake: FakeAirline) -> None:
    fake.replayable = [500, 500, 7]
    assert typed("dead-letters", "replay", "--type", "Paid", "--json").json == {"replayed": 1007}
    assert len({key for _, _, key in fake.asked}) == 3


def test_a_replay_that_does_not_get_on_ends(typed: Typed, fake: FakeAirline) -> None:
    fake.replayable = [5, 0, 7]
    said = typed("dead-letters", "replay", "--all")
    assert said.code == 2
    assert "took none of the other 7" in said.err


@pytest.mark.parametrize("words", [(), ("4f", "--all"), ("--all", "--type", "Paid")])
def test_a_replay_needs_to_know_what(typed: Typed, fake: FakeAirline, words: tuple[str, ...]) -> None:
    assert typed("dead-letters", "replay", *words).code == 64
    assert fake.asked == []


def test_a_letter_is_shown_whole_replayed_and_discarded(typed: Typed, fake: FakeAirline) -> None:
    fake.lists["dead-letters"] = [LETTER | {"attributes": {"id": "e1"}, "data": {"amount": 300}}]
    assert "{'amount': 300}" in typed("dead-letters", "show", "4f").out
    fake.answers = {"dead-letters/4f/replay": (200, LETTER), "dead-letters/4f/discard": (409, {"detail": "No."})}
    assert typed("dead-letters", "replay", "4f").code == 0
    assert typed("dead-letters", "discard", "4f", "--note", "seen").code == 3
    assert [path for _, path, _ in fake.asked] == ["/dead-letters/4f/replay", "/dead-letters/4f/discard"]


def test_a_rebuild_that_would_change_something_is_a_broken_law(typed: Typed, fake: FakeAirline) -> None:
    figures = {"events": 9, "reservations": 2, "differing": 1, "repaired": 0, "examples": ["GOOD"], "seconds": 0.1}
    fake.answers["customerInfos/rebuild"] = (200, figures)
    assert typed("rebuild", "--dry-run").code == 1
    assert typed("rebuild").code == 0


def test_a_long_rebuild_goes_on_where_it_stopped(typed: Typed, fake: FakeAirline) -> None:
    figures = {"events": 9, "reservations": 2, "examples": ["GOOD"]}
    following = {"next": {"href": "/customerInfos/rebuild?dryRun=false&after=GOOD"}}
    fake.rebuilds = [
        {"events": 4, "reservations": 1, "examples": ["GOOD"], "differing": 3, "repaired": 3, "seconds": 20.0},
        {"events": 5, "reservations": 1, "examples": [], "differing": 2, "repaired": 2, "seconds": 1.0},
    ]
    fake.rebuilds[0]["_links"] = following
    assert typed("rebuild", "--json").json == figures | {"differing": 5, "repaired": 5, "seconds": 21.0}


def test_a_rebuild_that_is_cut_off_says_where_to_go_on(typed: Typed, fake: FakeAirline) -> None:
    fake.answers["customerInfos/rebuild"] = (503, {"detail": "The database is away."})
    said = typed("rebuild", "--after", "GOOD")
    assert said.code != 0
    assert "--after GOOD" in said.err


def test_wrong_counts_of_customers_are_a_broken_law(typed: Typed, fake: FakeAirline) -> None:
    figures = {"events": 9, "reservations": 2, "differing": 0, "repaired": 0, "customers": 1, "examples": []}
    fake.answers["customerInfos/rebuild"] = (200, figures | {"seconds": 0.1})
    assert typed("rebuild", "--dry-run").code == 1
    assert typed("rebuild").code == 0


def test_status_names_every_service_and_counts(typed: Typed) -> None:
    said = typed("status", "--json")
    assert said.code == 0
    assert {found["reachable"] for found in said.json["services"].values()} == {True}
    assert said.json["counts"]["reservations SUCCEED"] == 1


def test_status_says_which_service_is_away(typed: Typed, fake: FakeAirline) -> None:
    fake.answers["openapi/payment.json"] = (504, {"detail": "late"})
    said = typed("status")
    assert said.code == 2
    assert "Could not be reached: payment." in said.err


def test_an_airline_that_is_not_there_is_reported_with_its_own_exit_code(typed: Typed) -> None:
    with nobody_listens() as url:
        said = typed("flights", "list", "--url", url, "--json")
    assert (said.code, said.out) == (2, "")
    assert "cannot be reached" in said.err


def test_a_command_whose_end_is_unknown_names_its_key(typed: Typed, fake: FakeAirline) -> None:
    fake.answers["reservations"] = (504, {"detail": "the function did not answer in time"})
    said = typed("reserve", "--customer", "1", "--flight", "1", "--key", "mine")
    assert said.code == 2
    assert "Idempotency-Key: mine" in said.err


@pytest.mark.parametrize("identity", ["", ".", "..", "/", "7Q2M9XW4TBCK/"])
@pytest.mark.parametrize("words", [("saga", "show"), ("dead-letters", "show"), ("dead-letters", "replay"), ("cancel",)])
def test_what_would_be_the_path_of_all_of_them_is_not_an_id(
    typed: Typed, fake: FakeAirline, words: tuple[str, ...], identity: str
) -> None:
    said = typed(*words, identity)
    assert (said.code, said.out, fake.asked) == (3, "", [])
    assert "is not an id" in said.err


@pytest.mark.parametrize("words", [("show", "none"), ("replay", "none"), ("discard", "none", "--note", "seen")])
def test_a_letter_that_is_not_there_is_named(typed: Typed, words: tuple[str, ...]) -> None:
    said = typed("dead-letters", *words)
    assert (said.code, said.err) == (3, "airline: There is no dead letter none.\n")


def test_a_refusal_cannot_steer_the_terminal_either(typed: Typed, fake: FakeAirline) -> None:
    fake.answers["reservations"] = (422, {"detail": "no\x1b[2J"})
    said = typed("reserve", "--customer", "1", "--flight", "1").err
    assert "no\N{REPLACEMENT CHARACTER}[2J" in said
    assert "\x1b" not in said


def test_a_mistake_of_this_program_is_not_taken_for_a_broken_law(typed: Typed, fake: FakeAirline) -> None:
    fake.answers["reservations"] = (201, {"something": "else"})
    said = typed("reserve", "--customer", "1", "--flight", "1")
    assert said.code == 70
    assert "KeyError" in said.err


def test_a_reader_of_what_went_wrong_may_go_away_too(fake: FakeAirline) -> None:
    fake.lists["flights"] = [flight(remaining=6)]
    command = [sys.executable, "-m", "cli", "reconcile", "--patience", "0", "--url", fake.url]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=write, check=False, timeout=60)
    os.close(write)
    assert done.returncode == 1


def test_who_closes_the_answer_still_learns_how_it_ended(fake: FakeAirline) -> None:
    command = [sys.executable, "-m", "cli", "flights", "list", "--url", fake.url]
    shell = ["sh", "-c", '"$@" >&-', "sh", *command]
    assert subprocess.run(shell, cwd=ROOT, check=False, capture_output=True, timeout=60).returncode == 0


@pytest.mark.parametrize("form", [["--json"], []])
def test_a_reader_that_went_away_is_not_an_error(fake: FakeAirline, form: list[str]) -> None:
    command = [sys.executable, "-m", "cli", "flights", "list", *form, "--url", fake.url]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_script_works_from_any_folder_and_through_a_link(fake: FakeAirline, tmp_path: Path) -> None:
    link = tmp_path / "airline"
    link.symlink_to(ROOT / "bin" / "airline")
    command = [str(link), "flights", "list", "--json", "--url", fake.url]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout)["total"] == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("reserve",), 64),
        (("unknown",), 64),
        (("flights", "list", "--url", "no address"), 3),
        (("flights", "list", "--url", "http://[no"), 3),
        (("flights", "import", "/nowhere.csv"), 3),
        (("--help",), 0),
    ],
)
def test_exit_codes_tell_what_was_wrong(typed: Typed, words: tuple[str, ...], code: int) -> None:
    assert typed(*words).code == code


def test_the_host_header_is_sent_where_no_dns_knows_the_gateway(typed: Typed, fake: FakeAirline) -> None:
    assert typed("flights", "list", "--host-header", "airline.example").code == 0
    assert fake.hosts == {"airline.example"}


def test_an_answer_from_another_server_is_not_taken_for_an_airlines(typed: Typed, fake: FakeAirline) -> None:
    fake.answers["flights"] = (200, ["something else"])
    assert typed("flights", "list").code == 2


def test_the_airline_of_this_checkout_is_found_by_its_state(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with only_run(tmp_path):
        for unreadable in ("", "[]", "{}", '{"gateway": null}'):
            state.write_text(unreadable)
            with pytest.raises(Unreachable, match="not open yet"):
                connect(data=tmp_path)
        state.write_text(json.dumps({"gateway": "http://127.0.0.1:4711"}))
        assert connect(data=tmp_path).url == "http://127.0.0.1:4711"
    assert connect("http://elsewhere/", data=tmp_path).url == "http://elsewhere"


def test_where_nothing_runs_the_airline_of_another_folder_is_not_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"gateway": "http://127.0.0.1:4711"}))  # of a run that was killed
    with nobody_listens() as nobody:
        monkeypatch.setattr(here, "DEFAULT_URL", nobody)
        with pytest.raises(Unreachable, match=r"Nothing runs in .*: make run starts it") as said:
            connect(data=tmp_path)
        assert "not of this folder" not in str(said.value)
    with healthy() as other:
        monkeypatch.setattr(here, "DEFAULT_URL", other)
        with pytest.raises(Unreachable, match=f"The one that answers at {other} is not of this folder: --url {other}"):
            connect(data=tmp_path)


@pytest.mark.parametrize(
    ("url", "proxies"),
    [
        ("http://127.0.0.1:8088", False),
        ("http://127.1.2.3:8088", False),
        ("http://[::1]:8088", False),
        ("http://localhost:8088", False),
        ("http://airline.localhost", False),
        ("http://airline.example", True),
        ("http://10.0.0.1", True),
    ],
)
def test_no_proxy_is_asked_for_this_machine(url: str, proxies: bool) -> None:
    assert connect(url).session.trust_env is proxies


@pytest.mark.parametrize("words", [(), ("flights",), ("saga",), ("dead-letters",)])
def test_a_command_without_anything_shows_its_help_line_by_line(typed: Typed, words: tuple[str, ...]) -> None:
    said = typed(*words)
    assert said.code == 64
    assert said.err.startswith(" ".join(("Usage: airline", *words)))
    assert "\N{REPLACEMENT CHARACTER}" not in said.err
    assert len(said.err.splitlines()) > 5


@pytest.mark.parametrize(
    "words",
    [
        ("reserve", "--customer", "1", "--flight", "1", "--key", "주문"),
        ("reserve", "--customer", "1", "--flight", "1", "--key", "a\nb"),
        ("saga", "show", "\udcff"),
        ("flights", "list", "--host-header", "a\nb"),
    ],
)
def test_what_cannot_be_sent_is_refused_in_words(typed: Typed, fake: FakeAirline, words: tuple[str, ...]) -> None:
    said = typed(*words)
    assert said.code == 3, said.err
    assert "Traceback" not in said.err
    assert fake.asked == []
