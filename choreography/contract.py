"""What an HTTP function promises, declared with each route. The OpenAPI documents are made from it at build time.

Routes read requests with the same tables of fields and answer with the same tables of values, so neither is written
twice. The first line of a route's docstring is the summary of its operation, the rest its description. At run time
nothing reads the declarations, but for `access` where an issuer is set: a function serves the finished document.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from sqlalchemy import ColumnElement

from choreography.fields import Field, Reader

Route = TypeVar("Route", bound=Callable[..., Any])
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """One value of an answer, which is always there.

    `of` is the column that it comes from, or what describes a value that is computed. A reader beside a column says
    more than the column's type: its bounds, or its choices. `nullable` is as the column has it where it is None.
    """

    of: ColumnElement[Any] | Reader[Any] | Schema
    reader: Reader[Any] | None = None
    about: str = ""
    nullable: bool | None = None
    examples: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """An answer that is not a resource: its values, what it embeds, and the links that it always or sometimes has."""

    name: str
    values: Mapping[str, Shown]
    about: str = ""
    embeds: Mapping[str, "Shape"] = field(default_factory=dict)
    links: Sequence[str] = ()
    some_links: Sequence[str] = ()
    about_links: str = ""
    extends: "Shape | None" = None


@dataclass(frozen=True, slots=True)
class Collection:
    """An answer that is a page of such things; `paged`: the client chooses the page, its size and the order."""

    plural: str
    of: Shape
    paged: bool = True
    most: int | None = None
    filters: Mapping[str, Field] = field(default_factory=dict)
    sorts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON object that a client sends. `partial`: each field may be absent. `closed`: no other fields."""

    name: str
    fields: Mapping[str, Field]
    about: str = ""
    example: Mapping[str, Any] | None = None
    partial: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Commands:
    """CloudEvents that a client sends, structured or binary: the data by type, and how attributes are read."""

    data: Mapping[str, Body]
    attributes: Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class AnyEvent:
    """Any CloudEvent, in either mode. `attributes` are those that the function looks at, and what it does with them."""

    attributes: Mapping[str, str]


class Access(Enum):
    """Who may ask, where IDENTITY_ISSUER is set; the value is the role that the document names."""

    EVERYBODY = "everybody"
    """Also who has no token."""
    OWNERS = "owner"
    """Who has a number of their own, for what belongs to it; and operators, for everything."""
    OPERATORS = "operator"


@dataclass(frozen=True, slots=True)
class Operation:
    """What one route promises in addition to its path and method.

    `answers` is what a success shows (None: nothing, 204), `about` says it in words. `conditional` routes heed If-Match
    and If-None-Match, `repeatable` ones an Idempotency-Key. `refuses` has words for a status where the usual ones do
    not fit; a status that does not follow from the rest is added by naming it here. A route is for operators, unless
    `access` says otherwise.
    """

    answers: Shape | Collection | None = None
    about: str = ""
    status: int = 200
    body: Body | Commands | AnyEvent | None = None
    query: Mapping[str, Field] = field(default_factory=dict)
    conditional: bool = False
    repeatable: bool = False
    reads_database: bool = True
    media: str = "application/hal+json"
    refuses: Mapping[int, str] = field(default_factory=dict)
    name: str = ""
    access: Access = Access.OPERATORS


@dataclass(frozen=True, slots=True)
class Parameter:
    """The name of a variable part of an address in the document, and what it is."""

    name: str
    about: str
    examples: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """What a whole document says: title, introduction, and the address parts by their names in the routes.

    `elsewhere` has the operations by (method, path) that the application does not route. `refuses` has words for a
    status that are true of all operations.
    """

    title: str
    about: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    elsewhere: Mapping[tuple[str, str], Callable[..., Any]] = field(default_factory=dict)
    refuses: Mapping[int, str] = field(default_factory=dict)


EXTENSION = "contract"
"""Where an application keeps its Document."""


def promises(operation: Operation) -> Callable[[Route], Route]:
    """Declares what a route promises."""

    def declare(route: Route) -> Route:
        vars(route)[EXTENSION] = operation
        return route

    return declare


def promised(route: Callable[..., Any]) -> Operation:
    """What a route promises. Raises LookupError for one that declares nothing."""
    operation: Operation | None = vars(route).get(EXTENSION)
    if operation is None:
        raise LookupError(f"{route.__name__} declares no operation: put @contract.promises(...) on it.")
    return operation
