"""Signing in at the OpenID Connect issuer of an airline, from a terminal: the device grant (RFC 8628).

The person opens an address in any browser and enters a code; meanwhile the issuer is asked whether they are through.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests

from client import gateway
from client.errors import Refused, Unreachable
from client.gateway import Airline

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
INTERVAL = 5.0
"""Seconds between two questions, where the issuer names no others; and by how many more, where that is too often."""
TIMEOUT = 30


@dataclass(frozen=True)
class Issuer:
    """Where an airline sends people to sign in, and as which client the command line asks."""

    url: str
    client: str
    scope: str


@dataclass(frozen=True)
class Device:
    """What a person has to do: enter `code` at `address`, or open `whole`, within `seconds`."""

    secret: str
    code: str
    address: str
    whole: str
    interval: float
    seconds: float


@dataclass(frozen=True)
class Tokens:
    """`expires_at` is in seconds since 1970; without `refresh` there is nothing after that."""

    access: str
    refresh: str | None
    expires_at: float


def issuer_of(airline: Airline) -> Issuer | None:
    """The issuer of an airline; None where nobody is asked who they are. Raises Unreachable and Refused."""
    unsigned = gateway.answered(airline, "GET", "/identity", {}, auth=lambda request: request)
    document = _document(unsigned)
    if not document.get("issuer"):
        return None
    return Issuer(str(document["issuer"]), str(document["client"]), str(document["scope"]))


def begin(issuer: Issuer) -> Device:
    """Asks for a code. Raises Unreachable and Refused."""
    answer = _asked(issuer, "device_authorization_endpoint", {"client_id": issuer.client, "scope": issuer.scope})
    document = _document(answer)
    if not answer.ok:
        raise Refused(f"{issuer.url} gives no code: {_reason(document)}", answer.status_code)
    address = str(document["verification_uri"])
    return Device(
        secret=str(document["device_code"]),
        code=str(document["user_code"]),
        address=address,
        whole=str(document.get("verification_uri_complete", address)),
        interval=float(document.get("interval", INTERVAL)),
        seconds=float(document["expires_in"]),
    )


def await_person(issuer: Issuer, device: Device) -> Tokens:
    """The tokens, once the person is through. Raises Refused where they said no or did nothing, and Unreachable."""
    until, pause = time.monotonic() + device.seconds, device.interval
    while time.monotonic() < until:
        asked = {"grant_type": GRANT, "device_code": device.secret, "client_id": issuer.client}
        answer = _asked(issuer, "token_endpoint", asked)
        document = _document(answer)
        if answer.ok:
            return _tokens(document)
        if document.get("error") not in ("authorization_pending", "slow_down"):
            raise Refused(f"Not signed in: {_reason(document)}", answer.status_code)
        pause += INTERVAL if document["error"] == "slow_down" else 0
        time.sleep(pause)
    raise Refused("Not signed in: nobody has entered the code in time.")


def refreshed(issuer: Issuer, tokens: Tokens) -> Tokens:
    """New tokens for old ones. Raises Refused where the issuer wants the person to sign in again, and Unreachable."""
    asked = {"grant_type": "refresh_token", "refresh_token": tokens.refresh or "", "client_id": issuer.client}
    answer = _asked(issuer, "token_endpoint", asked)
    document = _document(answer)
    if not answer.ok:
        raise Refused(f"You are signed out ({_reason(document)}): airline login", HTTPStatus.UNAUTHORIZED)
    return _tokens(document, tokens.refresh)


def _tokens(document: Mapping[str, Any], refresh: str | None = None) -> Tokens:
    expires_at = time.time() + float(document.get("expires_in", 60))
    return Tokens(str(document["access_token"]), document.get("refresh_token", refresh), expires_at)


def _asked(issuer: Issuer, endpoint: str, form: Mapping[str, str]) -> requests.Response:
    described = _document(_sent("GET", f"{issuer.url}/.well-known/openid-configuration", issuer))
    if str(described.get("issuer", "")).rstrip("/") != issuer.url or endpoint not in described:
        raise Refused(f"{issuer.url} is not an issuer that a terminal can sign in with: it has no {endpoint}.")
    return _sent("POST", str(described[endpoint]), issuer, data=form)


def _sent(method: str, address: str, issuer: Issuer, **request: Any) -> requests.Response:
    try:
        with gateway.open_session(address) as session:
            return session.request(method, address, timeout=TIMEOUT, allow_redirects=False, **request)
    except requests.RequestException as error:
        raise Unreachable(f"{issuer.url} cannot be reached ({type(error).__name__}).") from error


def _document(answer: requests.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except requests.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise Unreachable(f"{answer.url} answers, but not as an issuer does.")
    return document


def _reason(document: Mapping[str, Any]) -> str:
    return str(document.get("error_description") or document.get("error") or "no reason given").rstrip(".")
