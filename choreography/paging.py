"""`page`, `size` and `sort` of a collection, and the query that they make."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Request
from sqlalchemy import ColumnElement, Connection, Row, Select, func, select
from werkzeug.datastructures import MultiDict

from choreography import fields
from choreography.errors import Invalid

DEFAULT_SIZE = 20
LARGEST_SIZE = 1000
LARGEST_PAGE = 1_000_000
MOST_SORTS = 16

TABLE = {
    "page": fields.Field(fields.integer(0, LARGEST_PAGE), 0, "Which page, from 0."),
    "size": fields.Field(fields.integer(1, LARGEST_SIZE), DEFAULT_SIZE, "How many items a page has."),
}


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows are asked for: `number` from 0, `size` rows each, `sort` as (JSON name, descending)."""

    number: int
    size: int
    sort: tuple[tuple[str, bool], ...]


def asked(request: Request, sortable: Mapping[str, Any]) -> Page:
    """The page a client asks for. Raises Invalid; `sortable` holds the names it may sort by."""
    values = fields.read(request.args, TABLE)
    return Page(values["page"], values["size"], tuple(_sorts(request.args, sortable)))


def _sorts(args: "MultiDict[str, str]", sortable: Mapping[str, Any]) -> list[tuple[str, bool]]:
    sorts = []
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
        sorts.append((name, direction.lower() == "desc"))
    return sorts


def rows(
    connection: Connection, query: Select[Any], page: Page, sortable: Mapping[str, ColumnElement[Any]]
) -> tuple[list[Row[Any]], int]:
    """The rows of the page and how many there are in all; the last of `sortable` must be unique, it ends every tie."""
    total = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    order = [sortable[name].desc() if descending else sortable[name].asc() for name, descending in page.sort]
    ordered = query.order_by(*order, list(sortable.values())[-1].asc())
    return list(connection.execute(ordered.limit(page.size).offset(page.number * page.size))), total
