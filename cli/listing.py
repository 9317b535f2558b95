"""How commands answer with a list: the first items, and how many there are."""

from collections.abc import Mapping
from typing import Any

from cli.invocation import Invocation, answer
from client.lists import Found
from terminal import tables


def listed(invocation: Invocation, name: str, found: Found, columns: Mapping[str, str]) -> None:
    """Answers with a table of these columns; as JSON, with `total`, and `totalIsLeast` where there may be more."""
    document: dict[str, Any] = {"total": found.total, name: found.items}
    if found.total_is_least:
        document["totalIsLeast"] = True
    answer(invocation, document, lambda: tables.items(columns, found.items, found.how_many))
