"""The screens of operators: what was given up, what is owed, what can be repaired, and flights."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from cli import here
from cli.commands import flights_csv, saga_wakings
from cli.commands import saga as saga_show
from client import gateway, laws
from testbed.running_system import eventually
from tests.browser.conftest import Screen, in_both_languages, promoted, stopped
from tests.cli.sample_books import NOW, books, customer, entry, flight, hold, payment, reservation


def give_up(screen: Screen, saga: str) -> None:
    """An event that decrease-seats cannot take becomes a dead letter."""
    event: dict[str, Any] = {"specversion": "1.0", "id": str(uuid4()), "source": "/airline/reserve"}
    event |= {"type": "ReservationPlaced", "correlationid": saga, "data": {"reservationId": saga, "seatQty": -10}}
    say(screen, event)
    eventually(lambda: len(screen.airline.dead_letters(reservationId=saga)) == 2, "the letters are there", 60)


def given_up_again(screen: Screen, saga: str) -> list[str]:
    """The functions whose letter is open again: a replayed event goes to every Trigger that wants it."""
    found = screen.airline.dead_letters(reservationId=saga, status="OPEN")
    return sorted(letter["function"] for letter in found if letter["times"] > 1)


def execute(screen: Screen, database: str, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(screen.system.data / f"{database}.db", timeout=60)) as connection, connection:
        connection.execute(statement, values)


@in_both_languages
def test_a_dead_letter_says_why_and_what_is_owed_and_is_replayed_and_discarded_with_a_note(screen: Screen) -> None:
    saga = f"BROKEN{uuid4().hex[:6].upper()}"
    give_up(screen, saga)
    screen.open("/ops")
    letter = screen.find("letter").filter(has_text=saga).filter(has_text="decrease-seats")
    expect(letter.get_by_test_id("reason")).to_contain_text("seatQty must be between 1 and 1000")
    expect(letter.get_by_test_id("owed")).to_contain_text("decrease-seats")

    letter.get_by_test_id("replay").click()
    screen.status(re.compile("ReservationPlaced"))
    eventually(
        lambda: given_up_again(screen, saga) == ["decrease-seats", "project-dashboard"], "both gave up again", 60
    )
    screen.find("reload").click()
    letter.get_by_test_id("discard").click()
    letter.get_by_test_id("confirm-discard").click()
    expect(letter.get_by_test_id("note-error")).not_to_be_empty()
    letter.get_by_test_id("note").fill("a test of ours")
    letter.get_by_test_id("confirm-discard").click()
    expect(letter).to_have_count(0)

    screen.find("status-filter").select_option("DISCARDED")
    expect(letter.get_by_test_id("note-said")).to_have_text("a test of ours")
    expect(letter.get_by_test_id("replay")).to_have_count(0)


def test_what_a_person_is_about_to_press_belongs_to_the_same_letter_when_others_come(screen: Screen) -> None:
    earlier, later = (f"BROKEN{uuid4().hex[:6].upper()}" for _ in range(2))
    give_up(screen, earlier)
    screen.open("/ops")
    letter = screen.find("letter").filter(has_text=earlier).filter(has_text="decrease-seats")
    letter.get_by_test_id("discard").click()
    letter.get_by_test_id("note").fill("seats of nobody")
    give_up(screen, later)

    screen.find("reload").click()

    expect(screen.find("letter").filter(has_text=later)).to_have_count(2)
    expect(letter.get_by_test_id("note")).to_have_value("seats of nobody")
    letter.get_by_test_id("confirm-discard").click()
    expect(letter).to_have_count(0)


def test_all_open_dead_letters_are_replayed_by_one_button(screen: Screen) -> None:
    saga = f"BROKEN{uuid4().hex[:6].upper()}"
    give_up(screen, saga)
    screen.open("/ops")
    expect(screen.find("letter").filter(has_text=saga)).to_have_count(2)

    screen.find("replay-all").click()

    eventually(
        lambda: given_up_again(screen, saga) == ["decrease-seats", "project-dashboard"], "both gave up again", 60
    )


def test_where_nothing_was_given_up_the_screen_says_so(screen: Screen) -> None:
    screen.open("/ops?status=SETTLED")

    expect(screen.find("empty")).to_be_visible()
    expect(screen.find("kept-empty")).to_be_visible()


def say(screen: Screen, event: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/cloudevents+json"}
    requests.post(screen.system.broker, data=json.dumps(event), headers=headers, timeout=60).raise_for_status()


@pytest.fixture
def kept(screen: Screen) -> Iterator[Callable[[], list[Any]]]:
    """An event that neither its subscriber nor the dead-letter sink can read, as the broker keeps it until the end."""
    about = {"specversion": "1.0", "id": str(uuid4()), "source": "/test", "type": "Unreadable"}

    def found() -> list[Any]:
        answer = requests.get(f"{screen.system.gateway}/kept", timeout=60).json()
        return [one for one in answer["kept"] if one["event"]["id"] == about["id"]]

    # delivered as if it were in the structured mode
    say(screen, about | {"datacontenttype": "application/cloudevents+json", "data": {}})
    eventually(found, "it is kept", 60)
    yield found
    with sqlite3.connect(screen.system.data / "broker.db", timeout=30) as log:
        log.execute("DELETE FROM kept WHERE event_id = ?", [about["id"]])


@in_both_languages
def test_what_nobody_took_is_shown_with_its_reason_and_delivered_again(
    screen: Screen, kept: Callable[[], list[Any]]
) -> None:
    screen.open("/ops")
    row = screen.find("kept").filter(has_text="project-dashboard").first
    expect(row).to_contain_text("Unreadable")
    expect(row).to_contain_text("status 400")
    assert Axe().run(screen.page).violations_count == 0

    row.get_by_test_id("kept-replay").click()

    eventually(lambda: kept()[0]["times"] == 2, "it was given up once more", 60)


def test_a_saga_that_is_owed_something_for_long_is_listed_and_its_timeline_says_who_it_waits_for(
    screen: Screen,
) -> None:
    with stopped(screen.system, "charge-payment"):
        saga = screen.airline.place_reservation(screen.airline.add_flight(seats=5), seats=2)
        eventually(lambda: len(screen.airline.events(saga)) >= 2, "seats are held", 60)
        long_ago = "2026-01-01 00:00:00.000000"
        execute(screen, "reserve", "UPDATE reservations SET owed_since = ? WHERE id = ?", long_ago, saga)
        screen.open("/ops/sagas?minutes=60")

        screen.find("stuck-saga").filter(has_text=saga).get_by_test_id("saga").click()

        expect(screen.find("waits")).to_contain_text("charge-payment")
        expect(screen.page.locator("[data-testid=delivery]:not([data-state=delivered])").first).to_contain_text(
            "charge-payment"
        )


@pytest.mark.parametrize("hours", [-2, 2])
def test_what_is_owed_for_long_is_so_by_the_airlines_clock_whatever_the_browsers_says(
    screen: Screen, hours: int
) -> None:
    screen.page.clock.install(time=datetime.now(UTC) + timedelta(hours=hours))
    flight_id = screen.airline.add_flight(seats=5)
    with stopped(screen.system, "decrease-seats"):
        fresh, old = (screen.airline.place_reservation(flight_id, seats=2) for _ in range(2))
        an_hour_ago = f"{datetime.now(UTC) - timedelta(minutes=61):%Y-%m-%d %H:%M:%S.%f}"
        execute(screen, "reserve", "UPDATE reservations SET owed_since = ? WHERE id = ?", an_hour_ago, old)

        screen.open("/ops/sagas?minutes=60")
        expect(screen.find("stuck-saga").filter(has_text=old)).to_be_visible()
        expect(screen.find("stuck-saga").filter(has_text=fresh)).to_have_count(0)

        screen.open("/ops/checks")
        screen.find("reconcile").click()
        expect(screen.find("law-owed")).to_contain_text(old)
        expect(screen.find("law-owed")).not_to_contain_text(fresh)
        expect(screen.find("law-ends")).to_have_attribute("data-holds", "true")


def test_a_timeline_shows_every_event_who_took_it_and_who_woke_for_it_or_ahead_of_it(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    flight_id = screen.airline.add_flight(seats=5)
    # whoever began a saga a moment ago wakes nobody ahead
    for function in ("reserve", "decrease-seats", "confirm-reservation"):
        screen.system.put_to_sleep(function)
    # with this provider the payment takes so long that whoever was woken ahead waits for it
    saga = screen.airline.place_reservation(flight_id, seats=2, method="slow")
    screen.airline.outcome(saga, 60)
    eventually(lambda: len(screen.airline.events(saga)) == 4, "the dashboard has heard everything", 60)

    screen.open("/ops/sagas")
    screen.find("identity").fill(saga.lower())
    screen.find("show").click()

    for event in ("ReservationPlaced", "RemainingSeatsDecreased", "Paid", "ReservationConfirmed"):
        expect(screen.page.locator(f"[data-testid=event][data-type={event}]")).to_have_count(1)
    expect(screen.find("tree")).to_contain_text("confirm-reservation-on-paid")
    woken = screen.find("woke").filter(has_text=re.compile(r"decrease-seats.* \d+\.\d s"))
    expect(woken).to_have_attribute("data-ahead", "false")
    ahead = screen.find("woke").filter(has_text=re.compile(r"confirm-reservation.* ahead, \d+\.\d s"))
    expect(ahead).to_have_attribute("data-ahead", "true")

    monkeypatch.setattr(here, "DATA", screen.system.data)
    by_command = saga_show.known(gateway.connect(screen.system.gateway), saga)["woken"]
    found = {one["function"]: one["ahead"] for one in by_command}
    assert (found["decrease-seats"], found["confirm-reservation"]) == (False, True)


def test_the_page_and_the_command_line_know_the_same_functions_as_woken(
    modules: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(moment: str, seconds: float) -> dict[str, Any]:
        return {"at": f"2026-03-01T{moment}+00:00", "seconds": seconds}

    functions = {
        "seats": {"triggers": ["a/seats"], "wakings": [start("10:59:00.000", 1.9), start("10:59:59.000", 2.1)]},
        "confirm": {"triggers": ["a/paid", "a/again"], "wakings": [start("10:59:58.500", 1.5)]},
        "counts": {"triggers": ["a/counts"], "wakings": [start("10:59:40.000", 0.5), start("11:00:30.000", 1.7)]},
        "of another saga": {"triggers": ["a/other"], "wakings": [start("10:59:54.000", 0.5)]},
        "awake": {"triggers": ["a/awake"], "wakings": []},
    }
    stored = [
        ("placed", "11:00:00.000", ["a/seats", "a/counts", "a/other", "a/nobody"]),
        ("paid", "11:00:04.000", ["a/paid", "a/awake", "a/seats"]),
        ("paid again", "11:00:05.000", ["a/again"]),
    ]
    deliveries = [
        {"id": id_, "storedAt": f"2026-03-01T{at}+00:00", "deliveries": [{"trigger": one} for one in triggers]}
        for id_, at, triggers in stored
    ]
    (tmp_path / "state.json").write_text(json.dumps({"gateway": "http://here", "services": functions}))
    monkeypatch.setattr(here, "DATA", tmp_path)
    by_python = saga_wakings.woken(gateway.connect("http://here"), deliveries)

    by_page = modules.evaluate(
        """async (known) => (await import("/screens/ops/saga-tree.js")).wakings(...known)""",
        [functions, deliveries],
    )

    assert by_page == [
        {name: one[name] for name in ("eventId", "function", "seconds", "ahead")} for one in by_python or []
    ]
    assert {one["function"]: one["ahead"] for one in by_page} == {"seats": False, "confirm": True}


def test_a_number_that_no_saga_has_is_said_so(screen: Screen) -> None:
    screen.open("/ops/sagas")
    screen.find("identity").fill("-")
    screen.find("show").click()
    expect(screen.find("identity-error")).not_to_be_empty()

    screen.open("/ops/sagas/NOBODYSSAGA1")
    expect(screen.find("empty")).to_be_visible()


def test_an_outbox_is_awaited_while_its_function_wakes(screen: Screen) -> None:
    with stopped(screen.system, "payment"):
        screen.open("/ops/outboxes")
        screen.status(re.compile("payment"))

    expect(screen.find("unsent-reserve")).to_be_visible()
    expect(screen.find("unsent-payment")).to_be_visible()


def test_an_event_that_the_broker_has_not_taken_is_counted_until_it_has(screen: Screen) -> None:
    flight_id = screen.airline.add_flight(seats=5)
    broker = psutil.Process(int(screen.system.state["brokerPid"]))
    broker.suspend()
    try:
        screen.airline.place_reservation(flight_id, seats=1)
        screen.open("/ops/outboxes")
        expect(screen.find("unsent-reserve")).to_contain_text(re.compile("[1-9]"))
        expect(screen.find("outbox-reserve")).to_contain_text(re.compile("oldest|since", re.IGNORECASE))
    finally:
        broker.resume()

    def all_sent() -> bool:
        screen.find("reload").click()
        expect(screen.find("reload")).to_be_enabled()
        return not re.search(r"\d", screen.find("unsent-reserve").text_content() or "")

    eventually(all_sent, "the broker has taken it", 60, pause=0.2)


def test_what_cannot_be_asked_for_can_be_asked_for_again(screen: Screen) -> None:
    screen.open("/ops/checks")
    screen.page.context.set_offline(True)
    screen.find("compare").click()
    screen.page.wait_for_timeout(100)
    screen.page.context.set_offline(False)

    expect(screen.find("rebuilt-differing")).to_be_visible()  # a command goes on by itself


def differing(screen: Screen) -> str:
    """What a comparison finds."""
    screen.find("compare").click()
    expect(screen.find("rebuilt")).to_be_visible()
    return screen.find("rebuilt-differing").inner_text()


def test_a_row_of_the_dashboard_that_differs_from_its_history_is_found_and_repaired(screen: Screen) -> None:
    saga = screen.airline.place_reservation(screen.airline.add_flight(seats=5), seats=2)
    screen.airline.outcome(saga, 60)
    eventually(lambda: len(screen.airline.events(saga)) == 4, "the dashboard has heard everything", 60)
    screen.open("/ops/checks")
    eventually(lambda: differing(screen) == "0", "the dashboard has heard what went on before", 60)
    execute(screen, "dashboard-projector", "UPDATE reservations SET paid = 0 WHERE reservation_id = ?", saga)

    screen.find("compare").click()
    expect(screen.find("rebuilt-differing")).to_have_text("1")
    expect(screen.find("rebuilt")).to_be_visible()
    screen.find("repair").click()
    expect(screen.find("rebuilt-repaired")).to_have_text("1")
    screen.find("compare").click()

    expect(screen.find("rebuilt-differing")).to_have_text("0")


def test_a_law_that_is_broken_is_found_in_the_browser_with_its_subject(screen: Screen) -> None:
    flight_id = screen.airline.add_flight(seats=5)
    execute(screen, "flight-seats", "UPDATE flights SET remaining_seats_count = 4 WHERE id = ?", flight_id)
    screen.open("/ops/checks")

    screen.find("reconcile").click()
    found = screen.find("law-capacity")
    expect(found).to_have_attribute("data-holds", "false")
    expect(found).to_contain_text(str(flight_id))

    execute(screen, "flight-seats", "UPDATE flights SET remaining_seats_count = 5 WHERE id = ?", flight_id)
    screen.find("reconcile").click()
    expect(found).to_have_attribute("data-holds", "true")
    expect(screen.find("unchecked")).not_to_be_empty()


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"flights": [flight(capacity=2, remaining=0)]},
        {"flights": [], "holds": [hold(), hold("NOBODY"), hold("BACK")]},
        {"holds": [hold(seats=2)]},
        {"ledger": [entry(amount=299), entry("BACK"), entry("NOBODY")]},
        {"ledger": [], "payments": [payment(status="FAILED"), payment("NOBODY")]},
        {"payments": [payment(status="CHARGING")], "ledger": []},
        {"customers": [customer(placed=3), customer() | {"customerId": 8}]},
        {"reservations": [reservation(status="PENDING"), reservation("OLD") | {"owedSince": "2026-03-01T10:00:00Z"}]},
        {"reservations": [reservation("ONE") | {"requestedBy": {"source": "/a", "id": "%25EC%25A3%25BC"}},
                          reservation("TWO") | {"requestedBy": {"source": "/a", "id": "주"}}]},
        {"outboxes": {"reserve": {"unsent": 2, "oldest": "2026-03-01T11:00:00Z", "commands": 1,
                                  "oldestCommand": "2026-03-01T11:00:00Z"}}},
    ],
)  # fmt: skip
def test_the_page_and_the_command_line_find_the_same_laws_broken(modules: Page, other: dict[str, Any]) -> None:
    names = {
        name: re.sub(r"_(\w)", lambda found: found[1].upper(), law.__name__) for name, (_, law) in laws.LAWS.items()
    }
    by_python = sorted((names[one.law], one.subject) for one in laws.judge(books(**other), NOW))

    by_page = modules.evaluate(
        """async ([books, now]) => {
            const { judge, momentOf } = await import("/screens/ops/laws.js");
            return judge(books, momentOf(now)).map(({ law, subject }) => [law, subject]).sort();
        }""",
        [asdict(books(**other)), NOW.now.timestamp() * 1000],
    )

    assert [tuple(one) for one in by_page] == by_python


@in_both_languages
def test_a_flight_is_added_and_gets_more_seats(screen: Screen) -> None:
    code = f"OPS{uuid4().hex[:4].upper()}"
    screen.open("/ops/flights")
    screen.find("flightCode").fill(code)
    screen.find("add").click()
    expect(screen.find("takeoffDate-error")).not_to_be_empty()
    screen.find("takeoffDate").fill("2027-12-25")
    screen.find("cost").fill("1000")
    screen.find("remainingSeatsCount").fill("5")
    screen.find("add").click()
    screen.status(re.compile(code))

    added = screen.find("flight").filter(has_text=code)
    added.get_by_test_id("capacity").fill("7")
    added.get_by_test_id("change").click()

    expect(added.get_by_test_id("left")).to_contain_text(re.compile("7.*7"))


def test_a_capacity_that_is_typed_stays_with_its_flight_when_another_flight_is_added(screen: Screen) -> None:
    flight_id = screen.airline.add_flight(seats=5)
    screen.open("/ops/flights")
    row = screen.page.locator(f"[data-flight='{flight_id}']")
    row.get_by_test_id("capacity").fill("300")
    for field, value in (
        ("flightCode", "OPS200"),
        ("takeoffDate", "2027-12-25"),
        ("cost", "1000"),
        ("remainingSeatsCount", "9"),
    ):
        screen.find(field).fill(value)

    screen.find("add").click()

    added = screen.find("flight").filter(has_text="OPS200")
    expect(added.get_by_test_id("capacity")).to_have_value("9")
    expect(row.get_by_test_id("capacity")).to_have_value("300")


def test_a_flight_cannot_get_fewer_seats_than_are_held_and_the_page_says_so(screen: Screen) -> None:
    flight_id = screen.airline.add_flight(seats=5)
    screen.airline.outcome(screen.airline.place_reservation(flight_id, seats=3), 60)
    screen.open("/ops/flights")
    row = screen.page.locator(f"[data-flight='{flight_id}']")

    row.get_by_test_id("capacity").fill("2")
    row.get_by_test_id("change").click()

    expect(row.get_by_test_id("capacity-error")).not_to_be_empty()
    assert screen.airline.get(f"/flights/{flight_id}")["capacity"] == 5


def test_a_file_of_flights_is_imported_once_and_each_bad_line_says_why(screen: Screen) -> None:
    code = f"CSV{uuid4().hex[:5].upper()}"
    lines = (
        f"flightCode;takeoffDate;cost;remainingSeatsCount\n{code};2027-12-25;1000;5\n{code};soon;1000;5\n{code};2027"
    )
    screen.open("/ops/flights")
    file = {"name": "flights.csv", "mimeType": "text/csv", "buffer": lines.encode()}
    for _ in range(2):  # the same file again adds nothing
        screen.find("file").set_input_files(file)  # type: ignore[arg-type]
        screen.find("import").click()
        expect(screen.find("imported")).to_contain_text("1")
        expect(screen.find("bad-line")).to_have_count(2)
        expect(screen.find("import")).to_be_enabled()

    expect(screen.find("bad-line").first).to_contain_text("takeoffDate")
    assert screen.airline.get(f"/flights?flightCode={code}")["page"]["totalElements"] == 1


@pytest.mark.parametrize("content", [b"", b"one,two\n1,2", "flightCode,가".encode("euc-kr")])
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(screen: Screen, content: bytes) -> None:
    screen.open("/ops/flights")
    screen.find("file").set_input_files({"name": "flights.csv", "mimeType": "text/csv", "buffer": content})

    screen.find("import").click()

    expect(screen.find("file-error")).not_to_be_empty()


SEPARATED = "flightCode,takeoffDate,cost,remainingSeatsCount"


@pytest.mark.parametrize(
    "text",
    [
        f"{SEPARATED}\nA,2027-01-01,1,1\n\nA,2027-01-01,1,1\r\nB,2027-01-01,1\n",
        f'sep=,\n{SEPARATED}\n"A ""x""", 2027-01-01 ,1,1\n"A,2027-01-01,1,1\nB"x,2027-01-01,1,1\n"B"x,2027-01-01,1,1',
        f"{SEPARATED.replace(',', ';')};other\nA;2027-01-01;1;1;x\n{SEPARATED.replace(',', ';')};other\n;;;;\n",
        f"{SEPARATED.replace(',', chr(9))}\nA\t2027-01-01\t1\t1\n,,\n",
    ],
)
def test_the_page_and_the_command_line_take_the_same_lines_of_a_file(modules: Page, text: str, tmp_path: Any) -> None:
    file = tmp_path / "flights.csv"
    file.write_bytes(text.encode())
    by_python = [[one.number, None if one.reason else dict(one.fields)] for one in flights_csv.read(file)]

    by_page = modules.evaluate(
        """async (text) => (await import("/screens/ops/csv.js")).linesOf(text)
            .map(({ number, fields, reason }) => [number, reason ? null : fields])""",
        text,
    )

    assert by_page == by_python


def test_promotions_are_shown_as_customers_read_them(screen: Screen) -> None:
    with promoted(screen.system, "[OPERATORS] 10% OFF"):
        screen.open("/ops/flights")

        expect(screen.find("promotions")).to_contain_text("[OPERATORS] 10% OFF")


def done(screen: Screen, database: str, minute: int, did: str, *, status: int | None = 200) -> None:
    """An operator has done something, as the service of that database keeps it."""
    at, (method, address) = f"2026-03-01 12:{minute:02}:00.000000", did.split()
    row = (uuid4().hex, at, "olga", method, address, '{"note": "ours"}', status, "", address)
    columns = "id, at, actor, method, path, body, status, trace_id, subject"
    execute(screen, database, f"INSERT INTO actions ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *row)


@pytest.fixture
def nothing_done_before(screen: Screen) -> Iterator[None]:
    yield
    for database in ("reserve", "flight-seats", "dead-letters"):
        execute(screen, database, "DELETE FROM actions")


@in_both_languages
@pytest.mark.usefixtures("nothing_done_before")
def test_what_operators_did_is_one_list_of_all_services_by_time_and_is_narrowed_to_one_reservation(
    screen: Screen,
) -> None:
    done(screen, "reserve", 1, "DELETE /reservations/7Q2M9XW4TBCK", status=204)
    done(screen, "flight-seats", 2, "PATCH /flights/1001", status=None)
    done(screen, "dead-letters", 3, "POST /reservations/7Q2M9XW4TBCK", status=409)
    screen.open("/ops")
    screen.find("tab-audit").click()
    rows = screen.find("action")

    expect(rows).to_have_count(3)
    expect(rows.locator(".state")).to_have_text(["409", re.compile("begun|시작됨"), "204"])
    expect(rows.nth(1)).to_contain_text("olga")
    expect(rows.nth(1)).to_contain_text("PATCH /flights/1001")
    assert Axe().run(screen.page).violations_count == 0

    screen.find("about").fill("7q2m9xw4tbck")
    screen.find("show").click()
    expect(rows).to_have_count(2)
    rows.first.get_by_role("link").click()
    screen.page.wait_for_url("**/ops/sagas/7Q2M9XW4TBCK")


@pytest.mark.usefixtures("nothing_done_before")
def test_a_long_audit_log_comes_page_by_page_and_never_out_of_order(screen: Screen) -> None:
    for minute in range(52):
        done(screen, "reserve", minute, f"PATCH /reservations/R{minute}")
    done(screen, "flight-seats", 0, "PATCH /flights/1")
    screen.open("/ops/audit?actor=olga")
    expect(screen.find("action")).to_have_count(50)

    screen.find("more").click()

    expect(screen.find("action")).to_have_count(53)
    expect(screen.find("action").last).to_contain_text(re.compile("/reservations/R0|/flights/1"))
    expect(screen.find("more")).to_have_count(0)
