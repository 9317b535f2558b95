"""A fake airline: the operator API over lists that a test fills, and a record of what was asked of it."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, jsonify, request
from werkzeug.serving import WSGIRequestHandler, make_server

from testbed import listening

NAMES = {"ledger": "entries", "dead-letters": "deadLetters"}
ORDERS = {
    "id": ("reservationId", "key", "flightId"),
    "reservationId": ("reservationId",),
    "customerId": ("customerId",),
}
"""What a list is sorted by, by the name of the order: the first of these that its items have."""
IDENTITY = {"flights": "flightId", "reservations": "reservationId", "customerInfos": "customerId"}


@dataclass
class FakeAirline:
    """`lists` by path; `answers` go before them; `asked` holds method, path and Idempotency-Key of every command.

    `tags` are ETags by path, `conditions` what each PATCH had as If-Match; `changed_meanwhile` is answered with 412.
    """

    lists: dict[str, list[dict[str, Any]]]
    outboxes: dict[str, dict[str, Any]]
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    replayable: list[int] = field(default_factory=list)
    rebuilds: list[dict[str, Any]] = field(default_factory=list)
    done: dict[str, Any] = field(default_factory=dict)
    deliveries: list[dict[str, Any]] | None = None
    kept: list[dict[str, Any]] | None = None
    conditions: list[str | None] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    changed_meanwhile: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    shown: list[str | None] = field(default_factory=list)
    """The Authorization of each request."""
    queried: list[dict[str, str]] = field(default_factory=list)
    """The parameters of each request."""
    feeds: list[list[dict[str, Any]]] = field(default_factory=list)
    """What each one who asks for the live feed gets, until it ends; then nobody feeds it."""
    ahead: timedelta = timedelta(0)
    """How far its clock is ahead of ours."""
    url: str = ""

    def app(self) -> Flask:
        """Commands are done once per key, and as the rules of a flight say."""
        app = Flask("fake")
        app.add_url_rule("/<path:path>", view_func=self._answer, methods=["GET", "POST", "PATCH", "DELETE"])
        return app

    def _answer(self, path: str) -> Response | tuple[Response, int] | tuple[Response, int, dict[str, str]]:
        self.hosts.add(request.host)
        self.shown.append(request.headers.get("Authorization"))
        self.queried.append(dict(request.args))
        if request.method == "PATCH":
            self.conditions.append(request.headers.get("If-Match"))
            if path in self.changed_meanwhile:
                return _problem(412, "It has been changed meanwhile.")
        if request.method != "GET":
            self.asked.append((request.method, f"/{path}", request.headers.get("Idempotency-Key")))
        if path == "board/feed" and path not in self.answers:
            return self._feed()
        if path in self.answers:
            status, body = self.answers[path]
            return jsonify(body), status
        if request.method == "GET":
            return self._read(path)
        if path == "flights/import":
            return jsonify({"rows": [self._import(dict(row)) for row in (request.get_json() or {})["flights"]]})
        key = request.headers["Idempotency-Key"]
        repeat = {"Idempotent-Replayed": "true"} if key in self.done else {}
        self.done[key] = self.done.get(key) or self._do(path, request.get_json(silent=True) or {})
        body, status = self.done[key]
        return jsonify(body), status, repeat

    def _import(self, row: dict[str, Any]) -> dict[str, Any]:
        key = row.pop("key")
        repeated = key in self.done
        self.done[key] = self.done.get(key) or self._do("flights", row)
        body, status = self.done[key]
        flight, problem = (body, None) if status == 201 else (None, body)
        return {"key": key, "status": status, "repeated": repeated, "flight": flight, "problem": problem}

    def _feed(self) -> Response | tuple[Response, int]:
        if not self.feeds:
            return _problem(502, "The function cannot be reached.")
        lines = [f"data: {json.dumps(message)}\n\n:\n\n" for message in self.feeds.pop(0)]
        return Response(lines, content_type="text/event-stream")

    def _read(self, path: str) -> Response | tuple[Response, int]:
        resource, _, rest = path.partition("/")
        if resource in ("deliveries", "kept"):
            return self._read_deliveries() if resource == "deliveries" else self._read_kept()
        if resource == "outbox":
            return jsonify(self.outboxes[rest])
        if resource == "openapi":
            return jsonify({"openapi": "3.1.0"})
        if rest.endswith("/events"):
            found = self.events.get(rest.removesuffix("/events"))
            return jsonify(found) if found else _problem(404, "Nothing has been heard of it.")
        if rest:
            return self._read_one(resource, rest)
        return jsonify(_page(NAMES.get(resource, resource), self.lists[resource], request.args))

    def _read_one(self, resource: str, number: str) -> Response | tuple[Response, int]:
        name = IDENTITY.get(resource, "id")
        found = [jsonify(item) for item in self.lists[resource] if str(item[name]) == number]
        if not found:
            return _problem(404, f"There is no {number}.")
        if tag := self.tags.get(f"{resource}/{number}"):
            found[0].set_etag(tag)
        return found[0]

    def _read_deliveries(self) -> Response | tuple[Response, int]:
        report = {"events": self.deliveries, "more": False}
        return _problem(404, "Not reported.") if self.deliveries is None else jsonify(report)

    def _read_kept(self) -> Response | tuple[Response, int]:
        if self.kept is None:
            return _problem(404, "This broker keeps no events.")
        found = [one for one in self.kept if one["id"] > int(request.args["after"])]
        return jsonify({"kept": found[: int(request.args["limit"])], "total": len(self.kept)})

    def _do(self, path: str, body: Mapping[str, Any]) -> tuple[Any, int]:
        if path == "dead-letters/replay":
            size = self.replayable.pop(0)
            return {"replayed": size, "remaining": sum(self.replayable)}, 200
        if path.startswith("kept/"):
            found = [one for one in self.kept or [] if path == f"kept/{one['id']}/replay"]
            return (found[0], 202) if found else ({"detail": "No event is kept under this number."}, 404)
        if path == "customerInfos/rebuild":
            return self.rebuilds.pop(0), 200
        if path == "flights":
            if not str(body["cost"]).isdigit():
                return {"detail": "cost must be a whole number"}, 422
            flight = {"flightId": len(self.lists["flights"]) + 1, "capacity": int(body["remainingSeatsCount"]), **body}
            self.lists["flights"].append(flight)
            return flight, 201
        return {"detail": "There is nothing here."}, 404


def _page(name: str, items: list[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    number, size = int(query.get("page", 0)), int(query.get("size", 20))
    filters = {key: value for key, value in query.items() if key not in ("page", "size", "sort")}
    found = [item for item in items if all(str(item[key]) == value for key, value in filters.items())]
    if query.get("sort") in ORDERS:
        found.sort(key=lambda item: next(item[key] for key in ORDERS[query["sort"]] if key in item))
    pages = -(-len(found) // size)
    page = {"size": size, "number": number, "totalElements": len(found), "totalPages": pages}
    links = {"next": {"href": f"/{name}?{urlencode({**query, 'page': number + 1})}"}} if number + 1 < pages else {}
    return {"_embedded": {name: found[number * size : (number + 1) * size]}, "_links": links, "page": page}


def _problem(status: int, detail: str) -> tuple[Response, int]:
    return jsonify({"detail": detail}), status


@contextmanager
def serving(fake: FakeAirline) -> Iterator[FakeAirline]:
    """The airline, open at `fake.url`."""

    class Dated(WSGIRequestHandler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string((timestamp or time.time()) + fake.ahead.total_seconds())

    made = make_server("127.0.0.1", 0, fake.app(), threaded=True, request_handler=Dated)
    with listening.serving(made) as fake.url:
        yield fake
