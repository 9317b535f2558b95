"""Whom mails go to is kept in one place, which refuses what is not an address, and shows what was sent."""

from typing import Any

import pytest

import mails
from choreography import store
from contacts import contacts_api
from mails import CONTACTS, MAILS
from testbed.sample_events import canceled
from tests.unit.conftest import Database, Service

ZOE = {"name": "Zoë", "address": "zoe@customers.example", "language": "en"}


@pytest.fixture
def book(database: Database, monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service(database(mails.metadata))
    monkeypatch.setattr(store, "database", lambda: service.engine)
    return service


def put(**contact: Any) -> Any:
    return contacts_api.app.test_client().put("/contacts/7", json=contact)


def test_a_contact_is_put_read_changed_and_forgotten(book: Service) -> None:
    client = contacts_api.app.test_client()
    assert client.get("/contacts/7").status_code == 404
    assert put(**ZOE).status_code == 200
    assert put(**ZOE | {"name": "김하늘", "language": "ko"}).status_code == 200
    shown = dict(client.get("/contacts/7").get_json())
    del shown["_links"]
    assert shown == {**ZOE, "customerId": 7, "name": "김하늘", "language": "ko"}
    assert client.delete("/contacts/7").status_code == client.delete("/contacts/7").status_code == 204
    assert book.rows(CONTACTS) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "zoe"},
        {"address": "zoe@"},
        {"address": "zoe@a.example, all@b.example"},
        {"address": "zoe@a.example\r\nBcc: all@b.example"},
        {"address": "<zoe@a.example>"},
        {"address": f"{'z' * 65}@a.example"},
        {"name": "Zoe\nBcc: all@b.example"},
        {"name": ""},
        {"language": "fr"},
    ],
)
def test_what_is_no_contact_is_refused_where_it_is_put(book: Service, wrong: dict[str, str]) -> None:
    answer = put(**ZOE | wrong)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json["errors"]] == list(wrong)
    assert book.rows(CONTACTS) == []


def test_operators_see_which_mails_were_not_sent_and_why(book: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mails, "are_sent", lambda: True)
    book.run(mails.begin, canceled())
    (mail,) = contacts_api.app.test_client().get("/mails?status=NO_ADDRESS").get_json()["_embedded"]["mails"]
    assert (mail["kind"], mail["reservationId"], mail["customerId"]) == ("ReservationCanceled", "R1", 7)
    put(**ZOE)
    assert [row.status for row in book.rows(MAILS)] == ["OWED"]
