"""The Kubernetes API as far as the board reads it: lists, and watches of what changes (API Concepts, "Efficient
detection of changes").

It asks as the ServiceAccount of its pod. The token is read at each question: it lives for an hour and is replaced.
A client library would be many times the size of this function, and most of its start.
"""

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from choreography.settings import Cluster

WATCH = 45
"""Seconds until a watch is asked for again, so one that nobody needs any more ends soon."""
PATIENCE = 15.0
"""Seconds for a connection and a list, and for what a watch sends too late."""

Thing = dict[str, Any]
"""An object of the API in JSON."""


class ApiAway(Exception):
    """The API gave no answer, or refused: its text says what and why."""


def path_of(cluster: Cluster, group: str, kind: str) -> str:
    """Of all objects of a kind in our namespace; `group` is such as v1 or serving.knative.dev/v1. Raises ApiAway."""
    try:
        namespace = (cluster.account / "namespace").read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise ApiAway(f"this pod has no ServiceAccount to ask the Kubernetes API as: {error}") from error
    return f"/{'apis' if '/' in group else 'api'}/{group}/namespaces/{namespace}/{kind}"


def listed(cluster: Cluster, path: str, **query: str) -> tuple[list[Thing], str]:
    """All objects there, and the version of the list. Raises ApiAway."""
    with _asked(cluster, path, query, PATIENCE) as answer:
        found = json.load(answer)
    return found["items"], found["metadata"]["resourceVersion"]


def watched(cluster: Cluster, path: str, version: str, **query: str) -> Iterator[tuple[str, Thing]]:
    """What changes there after that version, until WATCH is over: ADDED, MODIFIED or DELETED, and the object.

    Raises ApiAway, also where the version is too old: then list again.
    """
    query |= {"watch": "1", "resourceVersion": version, "timeoutSeconds": str(WATCH)}
    with _asked(cluster, path, query, WATCH + PATIENCE) as answer:
        while line := answer.readline():
            change = json.loads(line)
            if change["type"] == "ERROR":
                raise ApiAway(f"the watch of {path} ended: {change['object'].get('message')}")
            yield change["type"], change["object"]


@contextmanager
def _asked(cluster: Cluster, path: str, query: Mapping[str, str], timeout: float) -> Iterator[HTTPResponse]:
    try:
        connection = _connection(cluster, timeout)
        try:
            connection.request("GET", f"{path}?{urlencode(query)}", headers=_headers(cluster))
            answer = connection.getresponse()
            if answer.status != HTTPStatus.OK:
                raise ApiAway(f"the Kubernetes API answered {path} with {answer.status} {answer.reason}")
            yield answer
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as error:
        raise ApiAway(f"the Kubernetes API does not answer {path}: {error}") from error


def _connection(cluster: Cluster, timeout: float) -> HTTPConnection:
    address = urlsplit(cluster.url)
    if address.scheme == "https":
        vouched = ssl.create_default_context(cafile=str(cluster.account / "ca.crt"))
        return HTTPSConnection(address.netloc, timeout=timeout, context=vouched)
    return HTTPConnection(address.netloc, timeout=timeout)


def _headers(cluster: Cluster) -> dict[str, str]:
    token = (cluster.account / "token").read_text("ascii").strip()
    return {"Authorization": f"Bearer {token}", "Accept": "application/json"}
