"""The airline over HTTP: one base URL, JSON, and an Idempotency-Key on whatever changes something."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from client.errors import Refused, Unreachable

TIMEOUT = (5, 40)
"""Seconds to connect, and to wait for an answer: the gateway gives up after 35 itself."""
EXAMPLE = "http://127.0.0.1:8088"
CLOCKS_AGREE = timedelta(seconds=5)
"""What two clocks may differ by."""


@dataclass(frozen=True)
class Airline:
    """An airline, by the address of its gateway."""

    url: str
    session: requests.Session


def connect(url: str, host_header: str | None = None) -> Airline:
    """The airline at `url`, which is asked for as `host_header` where no DNS knows it. Raises Refused for no URL."""
    base = url.rstrip("/")
    session = _patient_session(base)
    session.headers["Accept"] = "application/json"
    if host_header:
        session.headers["Host"] = host_header
    return Airline(base, session)


def beside(airline: Airline) -> Airline:
    """The same airline, by connections of its own: a session is for one thread."""
    session = _patient_session(airline.url)
    session.headers.update(airline.session.headers)
    session.auth = airline.session.auth
    return Airline(airline.url, session)


def _patient_session(base: str) -> requests.Session:
    session = open_session(base)
    # any method may be sent again, as each command has its key; 504 is not: it may still be at work
    again = Retry(total=2, read=1, backoff_factor=0.3, status_forcelist=(502, 503), allowed_methods=None)
    again = again.new(raise_on_status=False, respect_retry_after_header=False)
    session.mount("http://", HTTPAdapter(max_retries=again))
    session.mount("https://", HTTPAdapter(max_retries=again))
    return session


def open_session(base: str) -> requests.Session:
    """A session for that address, which goes through the proxies of the environment unless it is on this machine.

    Raises Refused for what is not a URL.
    """
    session = requests.Session()
    session.trust_env = not _is_here(_host(base))  # no proxy knows this machine's own ports
    return session


def is_on_this_machine(url: str) -> bool:
    """Whether what is sent there passes no network. Raises Refused for what is not a URL."""
    return _is_here(_host(url))


def token_of(airline: Airline) -> str | None:
    """The token that is shown to the airline now, if there is one. Raises what making a new one raises."""
    signed = airline.session.prepare_request(requests.Request("GET", airline.url))
    return signed.headers.get("Authorization", "").partition(" ")[2] or None


def get(airline: Airline, path: str, **query: Any) -> Any:
    """The JSON at a path. Raises Unreachable and Refused; parameters that are None are left out."""
    return _ask(airline, "GET", path, query)


def clock_ahead(airline: Airline) -> timedelta:
    """How far the clock of the airline is ahead of this machine's, by the Date of its answer (RFC 9110, 6.6.1).

    Zero where that says nothing: it has whole seconds, and they age on the way. Raises Unreachable and Refused.
    """
    dated = answered(airline, "GET", "/flights", {"size": 1}).headers.get("Date", "")
    try:
        ahead = parsedate_to_datetime(dated) - datetime.now(UTC)
    except (ValueError, TypeError):
        return timedelta(0)
    return ahead if abs(ahead) > CLOCKS_AGREE else timedelta(0)


def find(airline: Airline, path: str, **query: Any) -> Any:
    """The JSON at a path, None if there is nothing."""
    try:
        return get(airline, path, **query)
    except Refused as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise


def send(airline: Airline, method: str, path: str, body: object = None, key: str | None = None, **query: Any) -> Any:
    """Has something done, once however often it is sent under the same key. Raises Unreachable and Refused."""
    return _document(_commanded(airline, method, path, body, key=key, query=query))


def post(airline: Airline, path: str, body: object) -> Any:
    """Has something done that is done once by itself, however often it is sent. Raises Unreachable and Refused."""
    return _ask(airline, "POST", path, {}, json=body)


def change(airline: Airline, path: str, body: object, key: str | None = None) -> Any:
    """Changes what is at a path if it is still as it was read, so that no change in between is overwritten.

    Raises Unreachable and Refused.
    """
    tag = answered(airline, "GET", path, {}).headers.get("ETag")
    conditions = {"If-Match": tag} if tag else {}
    try:
        return _document(_commanded(airline, "PATCH", path, body, key=key, conditions=conditions))
    except Refused as error:
        if error.status != HTTPStatus.PRECONDITION_FAILED:
            raise
        sentence = (
            f"{path} was changed at this very moment, so nothing was done. Look at it, and send the change again."
        )
        raise Refused(sentence, error.status) from error


def _commanded(  # noqa: PLR0913 - a request
    airline: Airline,
    method: str,
    path: str,
    body: object,
    *,
    key: str | None,
    query: Mapping[str, Any] = MappingProxyType({}),
    conditions: Mapping[str, str] = MappingProxyType({}),
) -> requests.Response:
    key = key or str(uuid4())
    try:
        return answered(airline, method, path, query, json=body, headers={"Idempotency-Key": key, **conditions})
    except Unreachable as error:
        raise Unreachable(f"{error} Whether it was done is open. Idempotency-Key: {key}") from error


def segment(identity: str) -> str:
    """An id as one segment of a path. Raises Refused for what would lead elsewhere: to the collection, or above it."""
    try:
        if identity not in ("", ".", "..") and "/" not in identity:  # a server decodes %2F before it looks at the path
            return quote(identity, safe="")
    except UnicodeEncodeError:  # bytes in an encoding other than the terminal's
        pass
    raise Refused(f"{identity!r} is not an id.")


def _ask(airline: Airline, method: str, path: str, query: dict[str, Any], **request: Any) -> Any:
    return _document(answered(airline, method, path, query, **request))


def answered(airline: Airline, method: str, path: str, query: Mapping[str, Any], **request: Any) -> requests.Response:
    """The answer, unless it is a refusal. Raises Unreachable and Refused."""
    asked = {name: value for name, value in query.items() if value is not None}
    try:
        answer = airline.session.request(
            method, airline.url + path, params=asked, timeout=TIMEOUT, allow_redirects=False, **request
        )
    except (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, UnicodeError) as error:
        raise Refused(f"{method} {path} cannot be sent: {error}.") from error
    except requests.RequestException as error:
        raise Unreachable(f"{airline.url} cannot be reached ({type(error).__name__}).") from error
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unreachable(f"{method} {path} answered {answer.status_code}: {_detail(answer)}.")
    if answer.status_code >= HTTPStatus.BAD_REQUEST:
        raise Refused(_detail(answer), answer.status_code)
    if answer.is_redirect:
        raise Unreachable(f"{airline.url} sends elsewhere; try --url with {answer.headers['Location']}")
    return answer


def _document(answer: requests.Response) -> Any:
    if answer.status_code == HTTPStatus.NO_CONTENT:
        return None
    try:
        return answer.json()
    except requests.JSONDecodeError as error:
        raise Unreachable(f"{answer.url} answers, but not as an airline does.") from error


def _detail(answer: requests.Response) -> str:
    try:
        problem = answer.json()
        return str(problem["detail"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return answer.reason or "no reason given"


def _host(base: str) -> str:
    try:
        parts = urlsplit(base)
    except ValueError:  # brackets without an IPv6 address
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Refused(f"{base} is not the address of an airline; it should look like {EXAMPLE}")
    return parts.hostname


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
