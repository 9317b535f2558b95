"""`page`, `after`, `size` and `sort` of a collection, and the query that they make.

A list may have a million rows. So its `next` links name the last row of a page (cursors.py), and its rows are counted
up to MOST_COUNTED only, unless their number is kept. A page that is asked for by its number is found by going through
all rows before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Request
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select
from werkzeug.datastructures import MultiDict

from choreography import cursors, fields
from choreography.cursors import Cursor, Order
from choreography.errors import Invalid

DEFAULT_SIZE = 20
LARGEST_SIZE = 1000
LARGEST_PAGE = 1_000_000
MOST_SORTS = 16
MOST_COUNTED = 1000
"""Rows: of a longer list only this number is given, as the least that it has, and its last page has no link."""
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
    """Which rows are asked for: `number` from 0, `size` rows each, in this order; `after`: behind that row.

    `may_be_short`: no index has this order of the list, so it is sorted here if it is not longer than MOST_COUNTED.
    `key`: the columns by which the rows of the page are read once they are found, if that takes less than their rows.
    """

    number: int
    size: int
    order: tuple[Order, ...]
    after: Cursor | None = None
    may_be_short: bool = False
    key: tuple[ColumnElement[Any], ...] = ()

    def sorted_here(self, key: tuple[ColumnElement[Any], ...] = ()) -> "Page":
        """The same page of a list that is short before it is sorted."""
        return replace(self, order=tuple(replace(one, sorted_here=True) for one in self.order), key=key)

    @property
    def is_sorted_here(self) -> bool:
        """Whether it is of such a list."""
        return all(one.sorted_here for one in self.order)

    def with_equal(self, columns: Sequence[ColumnElement[Any]]) -> "Page":
        """The same page of a list in which all rows have the same values there."""
        fixed = {id(column) for column in columns}
        return replace(self, order=tuple(replace(one, fixed=id(one.column) in fixed) for one in self.order))

    def within(self, bounded: Sequence[ColumnElement[Any]]) -> "Page":
        """The same page of a list that ends at some values of these columns, and may be short for that."""
        return replace(self, may_be_short=any(column is not self.order[0].column for column in bounded))


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a page, and how many others there are.

    `total` rows are in the list, or more where `total_is_least`; `next` is where the next page begins, if there is one.
    """

    rows: list[Row[Any]]
    total: int
    total_is_least: bool
    next: str | None

    @property
    def is_long(self) -> bool:
        """Whether there are more than are counted, known or not."""
        return self.total_is_least or self.total > MOST_COUNTED


def asked(
    request: Request, sortable: Mapping[str, ColumnElement[Any]], ties: Sequence[ColumnElement[Any]] = ()
) -> Page:
    """The page a client asks for. Raises Invalid.

    `sortable` has what it may sort by; the last ends every tie, in the direction of the last sort, and must be unique
    together with `ties`.
    """
    values = fields.read(request.args, TABLE)
    whole = _whole(_sorts(request.args, sortable), sortable, ties)
    after = cursors.read(values["after"], whole) if values["after"] else None
    return Page(after.number if after else values["page"], values["size"], whole, after)


def _whole(
    sorts: Sequence[tuple[str, bool]], sortable: Mapping[str, ColumnElement[Any]], ties: Sequence[ColumnElement[Any]]
) -> tuple[Order, ...]:
    whole = [Order(sortable[name], descending) for name, descending in sorts]
    downwards = bool(whole) and whole[-1].descending  # as the last one: an index is read in one direction
    for column in (list(sortable.values())[-1], *ties):
        if all(one.column is not column for one in whole):
            whole.append(Order(column, downwards))
    return tuple(whole)


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


def rows(connection: Connection, query: Select[Any], page: Page, known: int | None = None) -> Found:
    """The rows of the page and how many there are in all, which may be `known` without counting."""
    total = _counted(connection, query.with_only_columns(page.order[-1].column)) if known is None else known
    if page.may_be_short and total <= MOST_COUNTED:
        page = page.sorted_here()
    there = _read(connection, query, page) if total or known is not None else []
    following = _following(page, there[page.size - 1]) if len(there) > page.size else None
    is_least = known is None and total > MOST_COUNTED
    return Found(there[: page.size], MOST_COUNTED if is_least else total, is_least, following)


def _following(page: Page, last: Row[Any]) -> str:
    """The cursor of the next page; `last` is the last row of this one."""
    values = tuple(last._mapping[one.column] for one in page.order)
    return cursors.text(Cursor(page.number + 1, values))


def _counted(connection: Connection, query: Select[Any]) -> int:
    some = query.limit(MOST_COUNTED + 1).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def _read(connection: Connection, query: Select[Any], page: Page) -> list[Row[Any]]:
    """The rows of the page, and the one behind them if there is one."""
    most = page.size + 1
    if page.after is None:
        return _found(connection, _by(query, page.order).offset(page.number * page.size).limit(most), page)
    found: list[Row[Any]] = []
    stretches = cursors.behind(page.order, page.after.values, connection.dialect.name == "postgresql")
    if page.is_sorted_here:  # all of its rows are met anyway, and each statement costs more than they do
        anywhere = or_(*(and_(*stretch.equal, stretch.beyond) for stretch in stretches))
        return _found(connection, _by(query.where(anywhere), page.order).limit(most), page)
    for stretch in stretches:
        there = query.where(*stretch.equal, stretch.beyond)
        found += connection.execute(_by(there, stretch.order).limit(most - len(found)))
        if len(found) == most:
            break
    return found


def _found(connection: Connection, found: Select[Any], page: Page) -> list[Row[Any]]:
    """The rows that are found, all at once or first their keys, for which an index may have all that it takes."""
    if not page.key:
        return list(connection.execute(found))
    keys = found.with_only_columns(*page.key).subquery()
    theirs = and_(*(column == key for column, key in zip(page.key, keys.c, strict=True)))
    return list(connection.execute(_by(select(*found.selected_columns).where(theirs), page.order)))


def _by(query: Select[Any], order: Sequence[Order]) -> Select[Any]:
    return query.order_by(*(one.direction for one in order if not one.fixed))
