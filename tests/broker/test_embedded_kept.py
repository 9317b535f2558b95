"""What becomes of events that neither a Trigger nor its dead-letter sink took: kept by the embedded broker alone."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from broker.embedded.event import Event
from broker.embedded.event_log import Log
from testbed.running_system import eventually
from tests.broker.contract import Contract
from tests.broker.processes import QUICK, EmbeddedBroker, Start, trigger
from tests.broker.test_embedded_durability import contract_of

REFUSED, TAKEN = {"status": 422, "body": "no"}, {"status": 204}
TAKES_ALL, GIVES_UP = "airline-contract/takes-all", "airline-contract/gives-up"


def two_triggers() -> list[dict[str, Any]]:
    return [trigger("takes-all", QUICK), trigger("gives-up", QUICK)]


def kept(broker: EmbeddedBroker, **query: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(broker.url("/-/kept"), params=query, timeout=10).json()["kept"]
    return found


def replay(broker: EmbeddedBroker, number: int) -> requests.Response:
    return requests.post(broker.url(f"/-/kept/{number}/replay"), timeout=10)


def given_up(broker: EmbeddedBroker, contract: Contract, times: int = 1) -> str:
    """The id of an event that gives-up has refused this many times in a row; it takes the next one."""
    event_id = contract.publish("contract.plain", {"gives-up": [REFUSED] * times + [TAKEN]})
    eventually(lambda: kept(broker), "the event is kept")
    return event_id


def test_a_kept_event_is_replayed_to_the_trigger_that_gave_it_up_and_then_kept_no_longer(
    embedded: Start, recorder_url: str
) -> None:
    broker = embedded(recorder_url, *two_triggers())
    event_id = given_up(broker, contract_of(broker, recorder_url))
    broker.stop(signal.SIGKILL)

    broker = embedded(recorder_url, *two_triggers())
    contract = contract_of(broker, recorder_url)
    (found,) = kept(broker)
    answer = replay(broker, found["id"])

    assert (answer.status_code, answer.json()["trigger"]) == (202, GIVES_UP)
    first, again = contract.only_deliveries(event_id, "gives-up", 2)
    assert again.error_extensions == {}
    assert (again.body, again.attributes.keys()) == (first.body, first.attributes.keys())
    eventually(lambda: kept(broker) == [], "nothing is kept")
    assert broker.figures(GIVES_UP)["kept"] == broker.status()["kept"] == 0
    contract.only_deliveries(event_id, "takes-all", 1)


def test_what_is_given_up_again_stays_kept_once(embedded: Start, recorder_url: str) -> None:
    broker = embedded(recorder_url, *two_triggers())
    event_id = given_up(broker, contract_of(broker, recorder_url), times=2)
    (first,) = kept(broker)

    replay(broker, first["id"])

    eventually(lambda: [each["times"] for each in kept(broker)] == [2], "it is kept a second time")
    (second,) = kept(broker)
    assert (second["id"], second["event"]["id"], broker.figures(GIVES_UP)["kept"]) == (first["id"], event_id, 1)


def test_an_event_that_is_published_again_and_taken_is_kept_no_longer(embedded: Start, recorder_url: str) -> None:
    broker = embedded(recorder_url, *two_triggers())
    contract = contract_of(broker, recorder_url)
    event_id = given_up(broker, contract)
    said = kept(broker)[0]["event"]

    again = {name: value for name, value in said.items() if not name.startswith(("knative", "data"))}
    headers = {f"ce-{name}": str(value) for name, value in again.items()}
    assert contract.post({**headers, "content-type": "application/json"}, b"{}").status_code == 202

    contract.deliveries(event_id, "gives-up", 2)
    eventually(lambda: kept(broker) == [], "nothing is kept")


def test_an_event_of_a_trigger_that_is_gone_stays_kept_and_says_why(embedded: Start, recorder_url: str) -> None:
    broker = embedded(recorder_url, *two_triggers())
    given_up(broker, contract_of(broker, recorder_url))
    broker.stop()
    broker = embedded(recorder_url, trigger("takes-all", QUICK))
    (found,) = kept(broker)

    answer = replay(broker, found["id"])

    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "gives-up is gone" in answer.json()["detail"]
    assert (broker.status()["kept"], len(kept(broker))) == (1, 1)


def test_numbers_that_nothing_is_kept_under_are_refused(embedded: Start, recorder_url: str) -> None:
    broker = embedded(recorder_url, *two_triggers())
    assert replay(broker, 4711).status_code == 404
    for number in ("0", "01", "0004711"):
        assert requests.post(broker.url(f"/-/kept/{number}/replay"), timeout=10).status_code == 404
    assert requests.post(broker.url("/-/kept/9999999999999999999/replay"), timeout=10).status_code == 405
    assert requests.get(broker.url("/-/kept/1/replay"), timeout=10).status_code == 405
    for query in ("after=-1", "limit=x", "after=9999999999999999999", "after=²"):
        assert requests.get(broker.url(f"/-/kept?{query}"), timeout=10).status_code == 400


def test_no_more_events_are_kept_than_are_asked_for_and_the_latest_stay(tmp_path: Path) -> None:
    log = Log(tmp_path / "broker.db", partitions=1)
    log.begin()
    for number in (1, 2, 3, 4, 1):
        log.keep(GIVES_UP, number, Event({"id": f"e{number}", "source": "/s", "type": "t"}, None), "nobody")
    log._writer.execute("UPDATE kept SET kept_at = CASE event_id WHEN 'e1' THEN 9 ELSE offset END")
    assert log.prune_kept(more_than=2) == 2
    log.commit()
    assert [each.event.attributes["id"] for each in log.kept_events(after=0, limit=9)] == ["e1", "e4"]
    log.close()


@pytest.fixture
def log_of_schema_2(tmp_path: Path) -> Path:
    """A log of before 2026-11-28, with an event that was kept twice."""
    path = tmp_path / "broker.db"
    Log(path, partitions=1).close()
    attributes = '{"id": "e1", "source": "/s", "type": "t"}'
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"""
            DROP TABLE kept;
            CREATE TABLE kept (
                id INTEGER PRIMARY KEY, trigger_key TEXT NOT NULL, offset INTEGER NOT NULL, kept_at INTEGER NOT NULL,
                reason TEXT NOT NULL, attributes TEXT NOT NULL, data BLOB);
            INSERT INTO kept VALUES (1, 'a/b', 5, 1000, 'old', '{attributes}', x'31'),
                (2, 'a/b', 6, 2000, 'new', '{attributes}', x'31'), (3, 'a/c', 6, 2000, 'other', '{attributes}', NULL);
            PRAGMA user_version = 2;""")
    return path


def test_a_log_of_an_earlier_version_keeps_what_it_kept(log_of_schema_2: Path) -> None:
    log = Log(log_of_schema_2, partitions=1)
    assert [(each.id, each.trigger, each.reason) for each in log.kept_events(0, 9)] == [
        (2, "a/b", "new"),
        (3, "a/c", "other"),
    ]
    log.close()
