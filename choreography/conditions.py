"""ETag, If-Match and If-None-Match (RFC 9110, sections 8.8.3, 13.1 and 13.2).

The tag of a resource is strong and made of its values alone: the same for every client, whatever host its links name,
and another one as soon as a value has changed. Check it under the lock of the row, in the transaction of the change.
What would be refused anyway (404, 422) is refused for that, as section 13.2.1 has it.
"""

import hashlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Request, Response

from choreography import hal
from choreography.errors import PreconditionFailed

Resource = Mapping[str, Any]
"""As `hal.item` makes it: values that JSON has, and `_links`."""

_CHANGED = "It has been changed meanwhile: If-Match does not name its present ETag. Read it again."


def tag_of(resource: Resource) -> str:
    """The opaque tag, without its quotes."""
    values = {name: value for name, value in resource.items() if not name.startswith("_")}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


def read(request: Request, resource: Resource) -> Response:
    """The answer to GET: the resource, or 304 where the client has it already. Raises PreconditionFailed."""
    tag = tag_of(resource)
    if "If-Match" in request.headers and not request.if_match.contains(tag):
        raise PreconditionFailed(_CHANGED)
    if request.if_none_match.contains_weak(tag):
        unchanged = Response(status=HTTPStatus.NOT_MODIFIED)
        unchanged.set_etag(tag)
        return unchanged
    return written(resource)


def written(resource: Resource) -> Response:
    """The resource as it is after a change."""
    response = hal.answer(resource)
    response.set_etag(tag_of(resource))
    return response


def created(resource: Resource) -> Response:
    """201 with the resource, where it is, and its tag."""
    response = hal.created(resource)
    response.set_etag(tag_of(resource))
    return response


def check(request: Request, resource: Resource) -> None:
    """Raises PreconditionFailed where the resource is not the one that the client means to change."""
    tag = tag_of(resource)
    if "If-Match" in request.headers and not request.if_match.contains(tag):
        raise PreconditionFailed(_CHANGED)
    if request.if_none_match.contains_weak(tag):
        raise PreconditionFailed("If-None-Match names what is there.")
