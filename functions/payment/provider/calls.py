"""One HTTP call to a provider, with an end: a policy must answer before its Trigger gives up after 20 s.

What comes back is an answer, or it is unclear what the provider did: only its status, by the key, says that then.
"""

import functools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import urllib3

from airline.settings import settings
from choreography.errors import Invalid, TryAgain

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 8.0
ALL_SECONDS = 15.0
"""Of all calls for one question: it, and the status where its answer is unclear."""
LARGEST = 256 * 1024
CHUNK = 16 * 1024
SERVER_ERROR = 500
OF_THE_REQUEST = {400, 422}
"""What a provider answers to a request that it will never take. Any other refusal (401, 404, 429) may pass."""


class Unclear(Exception):
    """Nobody knows whether the provider did it: it did not answer, broke off, or failed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The status, and the JSON object of the body; empty for any other body of a refusal."""

    status: int
    body: Mapping[str, Any]


def deadline() -> float:
    """The moment, of time.monotonic(), by which all calls for one question must have ended."""
    return time.monotonic() + ALL_SECONDS


def ask(method: str, path: str, until: float, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
    """One call, which follows no redirect and is not repeated. Raises Unclear."""
    left = until - time.monotonic()
    if left <= 0:
        raise Unclear("there was no time left")
    timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, left), read=min(ANSWER_SECONDS, left))
    try:
        response = _pool().request(
            method,
            f"{settings().payment_provider_url}{path}",
            body=body,
            headers={**headers, **_authorization()},
            timeout=timeout,
            redirect=False,
            retries=False,
            preload_content=False,
        )
        try:
            content = _read(response, until)
        finally:
            response.close()
    except urllib3.exceptions.HTTPError as error:
        raise Unclear(f"no complete answer came ({type(error).__name__})") from error
    return _answer(response.status, content)


def refused(answer: Answer) -> Invalid | TryAgain:
    """The error for an answer that is a refusal. What the provider says about it is for people, and may be long."""
    if answer.status in OF_THE_REQUEST:
        return Invalid(f"The payment provider refuses this with {answer.status}: {_words(answer.body)}")
    return TryAgain(f"The payment provider answered {answer.status}; try again.")


def _answer(status: int, content: bytes) -> Answer:
    if status >= SERVER_ERROR:
        raise Unclear(f"it answered {status}")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        return Answer(status, body)
    if status < 300:  # noqa: PLR2004 - a success, so it may have done it
        raise Unclear("its answer is not a JSON object")
    return Answer(status, {})


def _read(response: "BaseHTTPResponse", until: float) -> bytes:
    """All of the body, within the time: a read ends with each byte, so a slow sender would hold us for ever."""
    content = b""
    while chunk := response.read1(CHUNK):
        content += chunk
        if len(content) > LARGEST or time.monotonic() > until:
            raise Unclear("its answer had no end")
    return content


def _words(body: Mapping[str, Any]) -> str:
    error = body.get("error")
    said = body.get("detail") or (error.get("message") if isinstance(error, dict) else error)
    return str(said or "without a reason")[:200]


def _authorization() -> dict[str, str]:
    key = settings().payment_provider_key
    return {"Authorization": f"Bearer {key}"} if key else {}


@functools.cache
def _pool() -> "PoolManager":
    """The connections of this process. No proxy of the environment lies in between; certificates are verified."""
    return urllib3.PoolManager(maxsize=settings().threads + 1)
