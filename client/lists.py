"""The collections of an airline: read page by page, the first items of one, or only how many there are."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from client import gateway
from client.errors import Unreachable
from client.gateway import Airline

PAGE = 1000
"""The largest page that the services give."""

_FOREIGN = (AttributeError, KeyError, TypeError, ValueError)
"""What it is to look for a collection in the answer of another server."""

Query = Mapping[str, Any]
"""Parameters by name."""
Progress = Callable[[int, int], None]
"""Hears how many of how many have been read."""


def pages(
    airline: Airline, path: str, name: str, progress: Progress | None = None, **query: Any
) -> Iterator[list[Any]]:
    """A collection, page by page.

    Rows that are never removed and never leave the filter are never missed, and come once. Of a long list `progress`
    gets the least number of rows that it can have.
    """
    done = 0
    for items, there in _pages(airline, path, name, **query):
        done += len(items)
        if progress:
            progress(done, max(done, there["totalElements"]))
        yield items


@dataclass(frozen=True)
class Found:
    """The first items of a collection, and how many it has: `total`, or more where `total_is_least`."""

    items: list[Any]
    total: int
    total_is_least: bool = False

    @property
    def how_many(self) -> int | str:
        """How many items the collection has, for people."""
        return at_least(self.total) if self.total_is_least else self.total


def some(airline: Airline, path: str, name: str, limit: int, **query: Any) -> Found:
    """The first `limit` items of a collection, and how many it has."""
    items: list[Any] = []
    for part, there in _pages(airline, path, name, size=min(limit, PAGE), **query):
        items += part
        if len(items) >= limit:
            total = max(len(items), there["totalElements"])
            return Found(items[:limit], total, there.get("totalIsLeast", False))
    return Found(items, len(items))


def count(airline: Airline, path: str, **query: Any) -> int | str:
    """How many items a collection has, or "1,000 or more" for a long one."""
    found = gateway.get(airline, path, size=1, **query)
    try:
        total, is_least = int(found["page"]["totalElements"]), found["page"].get("totalIsLeast")
    except _FOREIGN as error:
        raise Unreachable(f"{path} answers, but not with a page of a collection.") from error
    return at_least(total) if is_least else total


def at_least(number: int) -> str:
    """1000 is "1,000 or more"."""
    return f"{number:,} or more"


def page(airline: Airline, path: str, name: str, query: Query) -> tuple[list[Any], Query | None, Mapping[str, Any]]:
    """The items of one page, how the next one is asked for, and its `page`: which one it is, and how many there are."""
    found = gateway.get(airline, path, **{"size": PAGE, **query})
    try:
        following = found.get("_links", {}).get("next")
        asked = parse_qs(urlsplit(following["href"]).query) if following else None
        return list(found["_embedded"][name]), asked, found["page"]
    except _FOREIGN as error:
        raise Unreachable(f"{path} answers, but not with a collection of {name}.") from error


def _pages(airline: Airline, path: str, name: str, **query: Any) -> Iterator[tuple[list[Any], Mapping[str, Any]]]:
    following: Query | None = query
    while following is not None:
        items, following, there = page(airline, path, name, following)
        yield items, there
