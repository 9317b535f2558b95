"""Answers as application/hal+json, in the shapes of Spring Data REST."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from typing import Any
from urllib.parse import quote, urlencode

from flask import Request, Response

from choreography.errors import Malformed
from choreography.fields import plain_values
from choreography.paging import Found, Page
from choreography.settings import settings

HAL_JSON = "application/hal+json"
LARGEST_PORT = 65_535
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?)(?::([0-9]{1,5}))?", re.ASCII)
_IN_QUERY = "%!$&'()*+,;=:@/?-._~"


def base_url(request: Request) -> str:
    """Where links begin: PUBLIC_URL, else where the client thinks it is. Behind the gateway X-Forwarded-* says that.

    Empty, which makes links relative, if the request has none: HTTP/1.0 needs no Host. Raises Malformed.
    """
    public = settings().public_url
    if public:
        return public
    environ = request.environ  # not request.headers, which takes ten calls for each name
    host = str(environ.get("HTTP_X_FORWARDED_HOST", environ.get("HTTP_HOST", ""))).strip()
    scheme = environ.get("HTTP_X_FORWARDED_PROTO", environ["wsgi.url_scheme"])
    if not host:
        return ""
    if scheme not in ("http", "https"):
        raise Malformed("X-Forwarded-Proto must be http or https.")
    if not _is_host(host):
        raise Malformed(
            "This request is for a host whose name is not valid; Host or X-Forwarded-Host must be one name."
        )
    return f"{scheme}://{host}"


def _is_host(text: str) -> bool:
    found = _HOST.fullmatch(text)
    if found is None or int(found[2] or 0) > LARGEST_PORT:
        return False
    try:
        return not found[1].startswith("[") or bool(IPv6Address(found[1][1:-1]))
    except AddressValueError:
        return False


@dataclass(frozen=True, slots=True)
class Here:
    """Where the links of an answer begin. `at_the_gateway`: paths of the other functions are found there, too."""

    base: str
    at_the_gateway: bool


def here(request: Request) -> Here:
    """Found once for an answer: it may have a thousand links. Raises Malformed."""
    at_the_gateway = settings().public_url is not None or "HTTP_X_FORWARDED_HOST" in request.environ
    return Here(base_url(request), at_the_gateway)


def item(where: Here, path: str, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """One resource: its values, and links to itself under `self` and under its singular name."""
    href = {"href": where.base + path}
    return {**plain_values(values), "_links": {"self": href, name: href}}


def entry(where: Here, values: Mapping[str, Any], name: str, path: str) -> dict[str, Any]:
    """Something in a collection that has no address of its own: its values, and a link to what it is about.

    That belongs to another function, so the link is given at the gateway only.
    """
    shown = plain_values(values)
    return {**shown, "_links": {name: {"href": where.base + path}}} if where.at_the_gateway else shown


def answer(body: Mapping[str, Any], status: int = 200, location: str | None = None) -> Response:
    """A HAL document as response."""
    headers = {"Location": location} if location else {}
    text = json.dumps(body, ensure_ascii=False).encode(errors="replace")  # a stranger's event may have half a character
    return Response(text, status, headers, content_type=HAL_JSON)


def created(body: Mapping[str, Any]) -> Response:
    """201 with the resource and where it is."""
    return answer(body, 201, body["_links"]["self"]["href"])


def collection(request: Request, name: str, items: Iterable[Mapping[str, Any]], page: Page, found: Found) -> Response:
    """A page of a collection, with links to its neighbours; an empty one keeps its empty list.

    `totalIsLeast` is there, and true, where the list has at least `totalElements`, on at least `totalPages`. The
    last page of a long list has no link, as it is found by going through all the others.
    """
    counted, at_least = -(-found.total // page.size), page.number + 2 if found.next else 0
    pages = max(counted, at_least)  # a list may go on beyond what is counted
    places: dict[str, object] = {
        "size": page.size,
        "totalElements": found.total,
        "totalPages": pages,
        "number": page.number,
    }
    if found.total_is_least:
        places["totalIsLeast"] = True
    return answer({"_embedded": {name: list(items)}, "_links": _links(request, page, pages, found), "page": places})


def _links(request: Request, page: Page, pages: int, found: Found) -> dict[str, dict[str, str]]:
    here = base_url(request) + request.path
    query = quote(request.query_string, safe=_IN_QUERY)  # a client may send bytes that no address may have
    links = {"self": {"href": f"{here}?{query}" if query else here}}
    if pages <= 1 and page.number == 0:
        return links
    asked = [(key, value) for key, value in request.args.items(multi=True) if key not in ("page", "after")]
    numbers = {"first": 0, "prev": page.number - 1} | ({} if found.is_long else {"last": max(pages - 1, 0)})
    places: dict[str, tuple[str, object]] = {
        relation: ("page", number) for relation, number in numbers.items() if 0 <= number < max(pages, 1)
    }
    if found.next:
        places["next"] = ("after", found.next)
    return links | {relation: {"href": f"{here}?{urlencode([place, *asked])}"} for relation, place in places.items()}
