"""Answers as application/hal+json, in the shapes of Spring Data REST."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Request, Response

from airline.errors import Malformed
from airline.fields import plain
from airline.paging import Page

HAL_JSON = "application/hal+json"


def base_url(request: Request) -> str:
    """Where the client thinks it is: behind the gateway, the gateway's address (X-Forwarded-*). Raises Malformed."""
    scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
    url = f"{scheme}://{request.headers.get('X-Forwarded-Host', request.host)}"
    try:
        urlsplit(url).port  # noqa: B018 - brackets that do not close are found by the first, the rest by the second
    except ValueError as error:
        raise Malformed(f"This request is for a host that is none: {error}") from error
    return url


def item(request: Request, path: str, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """One resource: its values, and links to itself under `self` and under its singular name."""
    href = {"href": base_url(request) + path}
    return {key: plain(value) for key, value in values.items()} | {"_links": {"self": href, name: href}}


def entry(request: Request, values: Mapping[str, Any], name: str, path: str) -> dict[str, Any]:
    """Something in a collection that has no address of its own: its values, and a link to what it is about."""
    href = {"href": base_url(request) + path}
    return {key: plain(value) for key, value in values.items()} | {"_links": {name: href}}


def answer(body: Mapping[str, Any], status: int = 200, location: str | None = None) -> Response:
    """A HAL document as response."""
    headers = {"Location": location} if location else {}
    text = json.dumps(body, ensure_ascii=False).encode(errors="replace")  # a stranger's event may have half a character
    return Response(text, status, headers, content_type=HAL_JSON)


def created(body: Mapping[str, Any]) -> Response:
    """201 with the resource and where it is."""
    return answer(body, 201, body["_links"]["self"]["href"])


def collection(request: Request, name: str, items: Iterable[Mapping[str, Any]], page: Page, total: int) -> Response:
    """A page of a collection, with links to its neighbours; an empty one keeps its empty list."""
    pages = -(-total // page.size)
    body = {
        "_embedded": {name: list(items)},
        "_links": _links(request, page, pages),
        "page": {"size": page.size, "totalElements": total, "totalPages": pages, "number": page.number},
    }
    return answer(body)


def _links(request: Request, page: Page, pages: int) -> dict[str, dict[str, str]]:
    here = base_url(request) + request.path
    links = {"self": {"href": here + (f"?{request.query_string.decode('latin-1')}" if request.query_string else "")}}
    if pages <= 1 and page.number == 0:
        return links
    numbers = {"first": 0, "prev": page.number - 1, "next": page.number + 1, "last": max(pages - 1, 0)}
    asked = [(key, value) for key, value in request.args.items(multi=True) if key != "page"]
    for relation, number in numbers.items():
        if 0 <= number < max(pages, 1):
            links[relation] = {"href": f"{here}?{urlencode([('page', number), *asked])}"}
    return links
