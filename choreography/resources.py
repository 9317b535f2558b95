"""Resources, each declared once: the values that it shows, its address, what a list of it is sorted and filtered by.

The routes answer from the declaration, and the contracts are made of it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from flask import Request, Response
from sqlalchemy import Column, ColumnElement, Connection, Row, Select

from choreography import access, contract, fields, hal, paging, store
from choreography.columns import without_index
from choreography.contract import Shape, Shown
from choreography.errors import Forbidden
from choreography.fields import Field, Reader
from choreography.hal import Here

ANYTHING: Reader[str | None] = Reader(
    lambda value: str(value) or None, {"type": "string", "maxLength": 255, "pattern": "^[^\\u0000]*$"}
)
"""Any text that a parameter can have (choreography/web.py bounds it); an empty one asks for nothing."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A parameter that narrows a list: how it is read, and the rows that it means.

    Without `means` these are the rows whose value of that name is equal. `narrow`: these are few however long the list
    is, such as those of one owner; they are sorted when they are asked for. `keys_first`: an index has all that these
    are chosen and sorted by, so only those of the page are read whole. `bounds`: these are what is beyond a value of
    that column, perhaps few, and then they are sorted as well. Of other filters the table has an index together with
    each order.
    """

    field: Field
    means: Callable[[Any], ColumnElement[bool]] | None = None
    narrow: bool = False
    keys_first: bool = False
    bounds: ColumnElement[Any] | None = None


@dataclass(frozen=True)
class Resource:
    """A row of a table over HTTP.

    `address` has values of the resource in braces: "/orders/{orderId}". One that has no address of its own has a
    `subject` instead: the relation and the address of what it is about, which is served by another function. `key` is
    a unique column, or one that is together with `ties`; lists are sorted by these last, and by the name `id`.
    `owner` is the column with the number of those who may see their own (choreography/access.py); without one, only
    operators may see a list. `total` has the length of the list that filters make, where it is kept; others are counted
    up to a bound.
    """

    name: str
    plural: str
    values: Mapping[str, Shown]
    key: ColumnElement[Any]
    address: str | None = None
    subject: tuple[str, str] | None = None
    sorts: Sequence[str] = ()
    filters: Mapping[str, Filter] = field(default_factory=dict)
    about: str = ""
    some_links: Sequence[str] = ()
    about_links: str = ""
    ties: Sequence[ColumnElement[Any]] = ()
    owner: ColumnElement[Any] | None = None
    total: Callable[[Mapping[str, Any], Connection], int | None] = lambda _wanted, _connection: None

    @cached_property
    def columns(self) -> dict[str, ColumnElement[Any]]:
        """The columns behind the values; those that are computed are not among them."""
        return {name: value.of for name, value in self.values.items() if isinstance(value.of, ColumnElement)}

    @cached_property
    def sortable(self) -> dict[str, ColumnElement[Any]]:
        """By the names that clients sort by; the key is the last."""
        columns = self.columns
        return {name: columns[name] for name in self.sorts} | {"id": self.key}

    @property
    def shape(self) -> Shape:
        """What the contract says about one."""
        links = ("self", self.name) if self.address else ()
        some = (*self.some_links, *((self.subject[0],) if self.subject else ()))
        name = self.name[0].upper() + self.name[1:]
        return Shape(name, self.values, self.about, links=links, some_links=some, about_links=self.about_links)

    @property
    def collection(self) -> contract.Collection:
        """What the contract says about a list."""
        filters = {name: one.field for name, one in self.filters.items()}
        return contract.Collection(self.plural, self.shape, filters=filters, sorts=tuple(self.sortable))


def shown(where: Here, resource: Resource, row: Row[Any], **computed: object) -> dict[str, Any]:
    """One row as its resource, with the values that no column has."""
    there = row._mapping  # a new one each time it is asked for
    values = {name: there[column] for name, column in resource.columns.items()} | computed
    if resource.address:
        return hal.item(where, resource.address.format_map(values), resource.name, values)
    relation, address = resource.subject or ("", "")
    return hal.entry(where, values, relation, address.format_map(values))


def listed(
    request: Request,
    resource: Resource,
    query: Select[Any],
    *,
    reading: Callable[[], AbstractContextManager[Connection]] = store.reading,
    show: Callable[[Row[Any], Here], dict[str, Any]] | None = None,
) -> Response:
    """The page of a list that the request asks for: only of their own, where an owner asks. Raises Invalid, Forbidden.

    `show` makes one item of a row, where `shown` is not all of it.
    """
    wanted = _wanted(request, resource)
    equal = [resource.columns[name] for name in wanted if resource.filters[name].means is None]
    page = paging.asked(request, resource.sortable, resource.ties).with_equal(equal)
    bounded = [one for name in wanted if (one := resource.filters[name].bounds) is not None]
    owned = _ownership(resource)
    key = (resource.key, *resource.ties) if any(resource.filters[name].keys_first for name in wanted) else ()
    with reading() as connection:
        # without saying so: SQLite knows nothing of it, and PostgreSQL hopes to meet the few soon in the list's order
        is_short = bool(owned) or any(resource.filters[name].narrow for name in wanted)
        narrowed = query.where(*_conditions(wanted, resource, narrow_first=is_short), *owned)
        known = None if owned else resource.total(wanted, connection)
        found = paging.rows(connection, narrowed, page.sorted_here(key) if is_short else page.within(bounded), known)
    where = hal.here(request)
    items = [show(row, where) if show else shown(where, resource, row) for row in found.rows]
    return hal.collection(request, resource.plural, items, page, found)


def read_columns(resource: Resource, body: object, table: Mapping[str, Field]) -> dict[str, Any]:
    """The values of a body by the names of their columns, without those that are left open. Raises Invalid."""
    return by_column(resource, fields.read(body, table))


def by_column(resource: Resource, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a resource by the names of their columns, without those that are left open."""
    columns = resource.columns
    return {str(columns[name].key): value for name, value in values.items() if value is not None}


def _ownership(resource: Resource) -> list[ColumnElement[bool]]:
    number = access.owner()
    if number is None:
        return []
    if resource.owner is None:
        raise Forbidden("Only operators may read this list.")
    return [resource.owner == number]


def _wanted(request: Request, resource: Resource) -> dict[str, Any]:
    asked = fields.read(request.args, {name: one.field for name, one in resource.filters.items()})
    return {name: value for name, value in asked.items() if value not in (None, resource.filters[name].field.default)}


def _conditions(
    wanted: Mapping[str, Any], resource: Resource, *, narrow_first: bool = False
) -> list[ColumnElement[bool]]:
    """What rows have to meet. `narrow_first`: they are found by what is narrow, and sorted out by the other filters."""
    narrow = [name for name in wanted if narrow_first and _is_narrow(resource.filters[name])]
    return [_condition(resource, name, value, narrow) for name, value in wanted.items()]


def _is_narrow(one: Filter) -> bool:
    return one.narrow and one.means is None


def _condition(resource: Resource, name: str, value: Any, narrow: Sequence[str]) -> ColumnElement[bool]:
    one = resource.filters[name]
    if one.means is not None:
        return one.means(value)
    column = resource.columns[name]
    apart = narrow and not _is_narrow(one) and not any(_are_found_together(resource, name, other) for other in narrow)
    place: ColumnElement[Any] = without_index(column) if apart else column
    met: ColumnElement[bool] = place == value
    return met


def _are_found_together(resource: Resource, name: str, narrow: str) -> bool:
    """Whether an index begins with both columns, and no other one has more of what is narrow."""
    one, other = resource.columns[name], resource.columns[narrow]
    indexes = one.table.indexes if isinstance(one, Column) and not resource.filters[narrow].keys_first else ()
    return any({*list(index.columns)[:2]} == {one, other} for index in indexes)
