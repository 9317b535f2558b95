"""`airline login`, `logout` and `whoami`: who the command line speaks for."""

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cli.invocation import Invocation, answer, note
from client import gateway, sign_in, token_file
from client.errors import Refused
from terminal import tables


def login(invocation: Invocation) -> None:
    """Signs in: shows a code to enter in a browser, and keeps the token in a file that only you can read."""
    airline = invocation.airline
    _expect_secret(airline.url)
    issuer = sign_in.issuer_of(airline)
    if issuer is None:
        raise Refused(f"{airline.url} asks nobody who they are; there is nothing to sign in to.")
    device = sign_in.begin(issuer)
    note(f"open {device.whole} and enter {device.code}")
    tokens = sign_in.await_person(issuer, device)
    token_file.keep(airline.url, issuer, tokens)
    said = _said(tokens.access)
    answer(invocation, said, lambda: tables.facts(said))


def logout(invocation: Invocation) -> None:
    """Forgets the token of this airline."""
    forgotten = token_file.forget(invocation.airline.url)
    answer(
        invocation, {"signedOut": forgotten}, lambda: tables.facts({"signed out": "yes" if forgotten else "was not in"})
    )


def whoami(invocation: Invocation) -> None:
    """What the token says that the command line shows; exit code 3 if it has none."""
    token = gateway.token_of(invocation.airline)
    if token is None:
        raise Refused("You are not signed in: airline login")
    said = _said(token)
    answer(invocation, said, lambda: tables.facts(said))


def _said(token: str) -> dict[str, Any]:
    """The claims, unverified: the airline verifies them. A token that is not a JWT says nothing."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError):
        return {"token": "not a JWT"}
    for name in ("iat", "nbf", "exp"):
        if isinstance(claims.get(name), int | float):
            claims[name] = f"{datetime.fromtimestamp(claims[name], UTC):%Y-%m-%dT%H:%M:%SZ}"
    return claims if isinstance(claims, dict) else {"token": "not a JWT"}


def _expect_secret(url: str) -> None:
    if urlsplit(url).scheme != "https" and not gateway.is_on_this_machine(url):
        raise Refused(f"{url} would carry your token where others can read it: use https.")
