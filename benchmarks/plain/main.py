"""What the benchmarks compare with: functions-framework functions that do the least."""

import functools
import os

import functions_framework
from cloudevents.http import from_http
from flask import Request
from sqlalchemy import Engine, create_engine, text

TAKE_SEAT = (
    "UPDATE flights SET remaining_seats_count = remaining_seats_count - 1"
    " WHERE id = :flight AND remaining_seats_count >= 1 AND takeoff_date >= '2024-01-01'"
)
"""The UPDATE of decrease-seats; pgbench names its variables in the same way."""


@functions_framework.http
def hello(request: Request) -> tuple[str, int]:  # noqa: ARG001 - the least a function can do
    """Answers 204."""
    return "", 204


@functions_framework.http
def parse(request: Request) -> tuple[str, int]:
    """Parses a CloudEvent and answers 204."""
    from_http(request.headers, request.get_data())
    return "", 204


@functions_framework.http
def database(request: Request) -> tuple[str, int]:  # noqa: ARG001
    """Opens a database with SQLAlchemy and answers 204."""
    with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
        connection.execute(text("SELECT 1"))
    return "", 204


@functions_framework.http
def take_seat(request: Request) -> tuple[str, int]:
    """Parses a CloudEvent and commits one UPDATE, that of decrease-seats and nothing else of it; answers 204."""
    event = from_http(request.headers, request.get_data())
    with _engine().begin() as connection:
        connection.execute(text(TAKE_SEAT), {"flight": event.data.get("flightId")})  # the probe names none
    return "", 204


@functools.cache
def _engine() -> Engine:
    return create_engine(os.environ["DATABASE_URL"])
