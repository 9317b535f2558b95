"""Every collection is read on every database, in every order that it offers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import flights
import letters
import payments
import projection
import provider
import reservations
from testbed.hosting import Function, HostedAirline, isolated
from tests.databases.conftest import Make
from tests.integration.test_bad_input import COLLECTIONS

TABLES = {
    "reserve": reservations.metadata,
    "flight-seats": flights.metadata,
    "payment": payments.metadata,
    "dashboard": projection.metadata,
    "dead-letters": letters.metadata,
}


@pytest.fixture(params=COLLECTIONS)
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def function(path: str, databases: Make, tmp_path: Path) -> Iterator[Function]:
    """The function that has the collection, on a migrated database of this server."""
    urls = {"DATABASE_URL": databases(TABLES[COLLECTIONS[path]]).url}
    urls["PROVIDER_DATABASE_URL"] = databases(provider.metadata).url
    told = {name: url.render_as_string(hide_password=False) for name, url in urls.items()}
    with isolated():
        for name in TABLES | {"provider": None, "dashboard-projector": None}:
            (tmp_path / f"{name}.db").touch()  # or migrated ones would be looked for
        yield HostedAirline(tmp_path, tmp_path, "", told).function(COLLECTIONS[path])


def test_a_collection_comes_in_every_order_that_it_offers(function: Function, path: str) -> None:
    refused = function.get(f"{path}?sort=nothing")
    orders = refused.get_json()["detail"].removeprefix("sort must be one of ").split(", optionally")[0].split(", ")

    assert "id" in orders or "customerId" in orders
    for order in orders:
        assert function.get(f"{path}?sort={order},desc").status_code == 200, order
