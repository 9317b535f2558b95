"""What the benchmarks compare with: functions-framework functions that do the least."""

import os

import functions_framework
from cloudevents.http import from_http
from flask import Request
from sqlalchemy import create_engine, text


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
