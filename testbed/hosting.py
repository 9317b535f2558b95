"""Functions as functions-framework hosts them, one process for all: each call puts on the environment of its folder.

functions-framework writes the environment, `sys.modules["main"]`, `sys.path` and a registry; the kit caches what a
process needs once. `isolated` takes all of it back. Several folders have a `housekeeping`, so each is put in place for
the main.py that imports it.
"""

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import functions_framework
from flask import Flask
from functions_framework import _function_registry
from sqlalchemy import URL
from werkzeug.test import Client, TestResponse

from airline.settings import settings
from choreography import ahead, connections, issuer, logs, migrations, outbox, posting, store, tracing
from choreography.settings import settings as kit_settings
from testbed.policies import housekeeping
from testbed.project import folders_of_the_saga, targets

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

FUNCTIONS = Path(__file__).parents[1] / "functions"
FOLDER_OF = {target.replace("_", "-"): folder for folder in folders_of_the_saga() for target in targets(folder)}
"""Service name -> function folder, for every target of every main.py."""


@contextmanager
def isolated() -> Iterator[None]:
    """Restores what functions-framework and the kit's caches changed inside."""
    registry: dict[str, Any] = _function_registry.REGISTRY_MAP
    main = sys.modules.get("main")
    forget()
    with mock.patch.dict(os.environ), mock.patch.dict(registry), mock.patch.object(sys, "path", [*sys.path]):
        try:
            yield
        finally:
            forget()
            sys.modules.pop("main", None)
            sys.modules.pop("housekeeping", None)
            if main is not None:
                sys.modules["main"] = main


def forget() -> None:
    """Empties the caches of the kit; those who made engines dispose of them first."""
    while store._locks:
        os.close(store._locks.popitem()[1])
    connections.give_back()
    for relay in outbox._relays.values():
        relay.end()
    outbox._relays.clear()
    ahead._process.said_at = None
    tracing._process.asked = tracing._process.traces = False
    connections._at.clear()
    for cached in (settings, kit_settings, connections.engine, logs.configure, posting._address, issuer.known):
        cached.cache_clear()


@dataclass(frozen=True)
class Function:
    """One target of one folder and its own environment."""

    app: Flask
    environment: dict[str, str]

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """A WSGI application."""
        self.put_on()
        return self.app(environ, start_response)

    def put_on(self) -> None:
        """Makes the environment of this process that of the function."""
        os.environ.update(self.environment)
        settings.cache_clear()
        kit_settings.cache_clear()

    def open(self, method: str, path: str, **request: Any) -> TestResponse:
        """Sends one request, never following a redirect. `request` is as for werkzeug's EnvironBuilder."""
        return Client(self).open(path, method=method, follow_redirects=False, **request)

    def get(self, path: str, **request: Any) -> TestResponse:
        return self.open("GET", path, **request)

    def post(self, path: str, **request: Any) -> TestResponse:
        return self.open("POST", path, **request)

    def patch(self, path: str, **request: Any) -> TestResponse:
        return self.open("PATCH", path, **request)

    def delete(self, path: str, **request: Any) -> TestResponse:
        return self.open("DELETE", path, **request)

    def hear(self, event: dict[str, Any]) -> TestResponse:
        """Delivers one structured CloudEvent."""
        return self.post("/", json=event, headers={"Content-Type": "application/cloudevents+json"})


@dataclass
class HostedAirline:
    """All functions, each folder with a database of its own under `data`; `sink` is what K_SINK says.

    `urls` has databases that are elsewhere, by folder.
    """

    data: Path
    migrated: Path
    sink: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    urls: Mapping[str, str] = field(default_factory=dict)
    _apps: dict[str, Flask] = field(default_factory=dict)

    def function(self, service: str) -> Function:
        """The function of a Service, e.g. "place-reservation"."""
        environment = self.environment(FOLDER_OF[service]) | {"K_SERVICE": service}
        os.environ.update(environment)
        if service not in self._apps:
            folder = FOLDER_OF[service]
            source = FUNCTIONS / folder / "main.py"
            if source.with_name("housekeeping.py").exists():
                sys.modules["housekeeping"] = housekeeping(folder)
            self._apps[service] = functions_framework.create_app(  # type: ignore[no-untyped-call]
                service.replace("-", "_"), str(source), "http"
            )
        return Function(self._apps[service], environment)

    def environment(self, folder: str) -> dict[str, str]:
        """What the manifests would set."""
        return {
            "DATABASE_URL": self.url(folder),
            "PROVIDER_DATABASE_URL": self.url("provider"),
            "K_SINK": self.sink,
            "LOG_LEVEL": "WARNING",
            "RESERVATION_ID_SECRET": "known to the tests",
        } | self.settings

    def url(self, folder: str) -> str:
        """Where the database of a folder is, or that of the provider."""
        return self.urls.get(folder) or f"sqlite:///{self.database(folder)}"

    def database(self, folder: str) -> Path:
        """The SQLite file of a folder, or of the provider, migrated."""
        file = self.data / f"{folder}.db"
        if not file.exists():
            shutil.copy(self.migrated / file.name, file)
        return file

    def rows(self, folder: str, query: str) -> list[tuple[Any, ...]]:
        """Looks into the database of a folder, past the functions."""
        with closing(sqlite3.connect(self.database(folder))) as connection:
            return connection.execute(query).fetchall()

    def contents(self, folder: str) -> str:
        """Everything in the database of a folder, to be compared."""
        with closing(sqlite3.connect(self.database(folder))) as connection:
            return "\n".join(connection.iterdump())

    def close(self) -> None:
        """Closes the connections of every database."""
        connections.give_back()
        for file in self.data.glob("*.db"):
            connections.engine(url_of(file)).dispose()


def url_of(file: Path) -> URL:
    """The URL under which the functions know a SQLite file."""
    return URL.create("sqlite", database=str(file))


def migrate_all(folder: Path) -> None:
    """One migrated SQLite file per database, to be copied for each test: Alembic takes longer than a test."""
    for revisions in FUNCTIONS.rglob("migrations"):
        url = url_of(folder / f"{revisions.parent.name}.db")
        migrations.upgrade(revisions.parent, url)
        connections.engine(url).dispose()
