"""The tokens of those who have signed in: a file that only they can read, by the address of each airline."""

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import requests

from client import sign_in
from client.errors import ClientError
from client.gateway import Airline
from client.sign_in import Issuer, Tokens

EARLY = 30.0
"""Seconds before its end, from which a token is replaced: it has to arrive as well."""

Sign = Callable[[requests.PreparedRequest], requests.PreparedRequest]


def place(environment: Mapping[str, str] = os.environ) -> Path:
    """The file, as the XDG Base Directory Specification has it."""
    configuration = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(configuration) / "airline" / "tokens.json"


def keep(url: str, issuer: Issuer, tokens: Tokens) -> None:
    """Keeps what somebody has signed in with. Raises ClientError where that cannot be written."""
    with _locked() as kept:
        kept[url] = {"issuer": asdict(issuer), "tokens": asdict(tokens)}


def forget(url: str) -> bool:
    """Forgets it; False where there was nothing."""
    with _locked() as kept:
        return kept.pop(url, None) is not None


def signed_in(url: str) -> bool:
    """Whether somebody has signed in there."""
    return url in _read(place())


def show(airline: Airline) -> Airline:
    """The same airline, which sees the token in AIRLINE_TOKEN from now on, or that of whoever signed in there."""
    if given := os.environ.get("AIRLINE_TOKEN"):
        airline.session.auth = bearer(lambda: given)
    elif signed_in(airline.url):
        airline.session.auth = bearer(lambda: token(airline.url))
    return airline


def token(url: str) -> str:
    """A token that is still good for some time. Raises Refused where its end has come, Unreachable, KeyError."""
    with _locked() as kept:  # of two commands at once, one asks: a refresh token may be good for one time only
        issuer, tokens = Issuer(**kept[url]["issuer"]), Tokens(**kept[url]["tokens"])
        if tokens.refresh and time.time() > tokens.expires_at - EARLY:
            tokens = sign_in.refreshed(issuer, tokens)
            kept[url]["tokens"] = asdict(tokens)
        return tokens.access


def bearer(token_now: Callable[[], str]) -> Sign:
    """Signs requests, as `requests` wants it; unlike a header, it goes before what a .netrc has."""

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token_now()}"
        return request

    return sign


@contextmanager
def _locked() -> Iterator[dict[str, Any]]:
    """The content, to be changed; written where it is another afterwards."""
    file = place()
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with file.with_name("lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept = _read(file)
            before = json.dumps(kept)
            yield kept
            if json.dumps(kept) != before:
                _write(file, kept)
    except OSError as error:
        raise ClientError(f"{file} cannot be kept: {error.strerror}.") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        kept = json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _write(file: Path, kept: Mapping[str, Any]) -> None:
    descriptor, name = tempfile.mkstemp(dir=file.parent)  # 0600 from the beginning
    with os.fdopen(descriptor, "w", encoding="utf-8") as new:
        json.dump(kept, new)
    Path(name).replace(file)
