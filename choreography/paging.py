"""`page`, `after`, `size` and `sort` of a collection, and the query that they make.

A list may have a million rows. So its `next` links name the last row of a page (cursors.py), and its rows are counted
up to MOST_COUNTED only. A page that is asked for by its number is found by going through all rows before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Request
from sqlalchemy import ColumnElement, Connection, Row, Select, func, select
from werkzeug.datastructures import MultiDict

from choreography import cursors, fields
from choreography.cursors import Cursor, Order
from choreography.errors import Invalid

DEFAULT_SIZE = 20
LARGEST_SIZE = 1000
LARGEST_PAGE = 1_000_000
MOST_SORTS = 16
MOST_COUNTED = 10_000
"""Rows: of a longer list it is only said that it has at least so many."""
LONGEST_CURSOR = 2000

TABLE = {
    "page": fields.Field(fields.integer(0, LARGEST_PAGE), 0, "Which page, from 0."),
    "size": fields.Field(fields.integer(1, LARGEST_SIZE), DEFAULT_SIZE, "How many items a page has."),
    "after": fields.Field(
        fields.text(1, LONGEST_CURSOR),
        None,
        "Where the page begins, from a `next` link, and with its `sort`; then `page` is ignored.",
    ),
}


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows are asked for: `number` from 0, `size` rows each, in this order; `after`: behind that row."""

    number: int
    size: int
    order: tuple[Order, ...]
    after: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a page, and what there is besides them.

    `total` rows are in the list, or more where `total_is_least`; `next` is where the next page begins, if there is one.
    """

    rows: list[Row[Any]]
    total: int
    total_is_least: bool
    next: str | None


def asked(
    request: Request, sortable: Mapping[str, ColumnElement[Any]], ties: Sequence[ColumnElement[Any]] = ()
) -> Page:
    """The page a client asks for. Raises Invalid.

    `sortable` has what it may sort by; the last ends every tie, and must be unique together with `ties`.
    """
    values = fields.read(request.args, TABLE)
    order = tuple(Order(sortable[name], descending) for name, descending in _sorts(request.args, sortable))
    whole = (*order, *map(Order, (list(sortable.values())[-1], *ties)))
    after = cursors.read(values["after"], whole) if values["after"] else None
    return Page(after.number if after else values["page"], values["size"], whole, after)


def _sorts(args: "MultiDict[str, str]", sortable: Mapping[str, Any]) -> list[tuple[str, bool]]:
    sorts: dict[str, bool] = {}
    asked = args.getlist("sort")
    if len(asked) > MOST_SORTS:
        wrong = f"must be there at most {MOST_SORTS} times"
        raise Invalid(f"sort {wrong}", {"sort": wrong})
    for sort in asked:
        name, _, direction = sort.partition(",")
        if name not in sortable or direction.lower() not in ("", "asc", "desc"):
            choices = ", ".join(sortable)
            wrong = f"must be one of {choices}, optionally followed by ,asc or ,desc"
            raise Invalid(f"sort {wrong}", {"sort": wrong})
        if name not in sorts:  # a second time it changes nothing
            sorts[name] = direction.lower() == "desc"
    return list(sorts.items())


def rows(connection: Connection, query: Select[Any], page: Page) -> Found:
    """The rows of the page and how many there are in all."""
    total = _counted(connection, query.with_only_columns(page.order[-1].column))
    there = list(connection.execute(_from(connection, query, page).limit(page.size + 1)))
    following = _following(page, there[page.size - 1]) if len(there) > page.size else None
    return Found(there[: page.size], min(total, MOST_COUNTED), total > MOST_COUNTED, following)


def _following(page: Page, last: Row[Any]) -> str:
    """The cursor of the next page; `last` is the last row of this one."""
    values = tuple(last._mapping[one.column] for one in page.order)
    return cursors.text(Cursor(page.number + 1, values))


def _counted(connection: Connection, query: Select[Any]) -> int:
    some = query.limit(MOST_COUNTED + 1).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def _from(connection: Connection, query: Select[Any], page: Page) -> Select[Any]:
    ordered = query.order_by(*(one.column.desc() if one.descending else one.column.asc() for one in page.order))
    if page.after is None:
        return ordered.offset(page.number * page.size)
    nulls_last = connection.dialect.name == "postgresql"
    return ordered.where(cursors.behind(page.order, page.after.values, nulls_last))
