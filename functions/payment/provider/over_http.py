"""A provider behind the HTTP contract of ledger.openapi.json.

It promises that a key is one charge, whatever is asked how often. Nothing here relies on that alone: who may have asked
before asks for the status of the key first, and so does who got no clear answer.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from choreography.errors import TryAgain
from choreography.logs import log
from provider import calls
from provider.calls import Answer, Unclear
from provider.receipts import DECLINED, GIVEN_BACK, Receipt

OK, CREATED, NOT_FOUND = 200, 201, 404


def charge(key: str, amount: int, method: str, again: bool = False) -> Receipt | None:
    """See provider.charge."""
    until = calls.deadline()
    if again and (known := _status(key, until, amount)) is not None:
        return _receipt(known)
    try:
        return _receipt(_done(_post("/charges", key, {"amount": amount, "method": method}, until), key, amount))
    except Unclear as error:
        return _receipt(_afterwards(key, amount, until, error))


def undo(key: str, amount: int) -> bool | None:
    """See provider.undo."""
    until = calls.deadline()
    try:
        known = _done(_post("/refunds", key, {"amount": amount}, until), key, amount)
    except Unclear as error:
        known = _afterwards(key, amount, until, error)
        if known["status"] == "ACCEPTED":
            raise TryAgain(f"The payment provider has not refunded: {error}; try again.") from error
    return {"REFUNDED": True, "DECLINED": False}.get(known["status"])


def look(key: str, amount: int) -> Receipt | None:
    """See provider.look."""
    known = _status(key, calls.deadline(), amount)
    return None if known is None else _receipt(known)


def subject(hint: Mapping[str, Any]) -> str | None:
    """See provider.subject."""
    key = hint.get("key")
    return key if isinstance(key, str) else None


def _afterwards(key: str, amount: int, until: float, error: Unclear) -> Mapping[str, Any]:
    """What the provider knows about a key after a call with an unclear end. Raises TryAgain."""
    log.warning("asking the payment provider for the status of the key: %s", error)
    known = _status(key, until, amount)
    if known is None:
        raise TryAgain(f"The payment provider knows nothing of this key: {error}; try again.") from error
    return known


def _status(key: str, until: float, amount: int) -> Mapping[str, Any] | None:
    """What the provider knows about a key; None for nothing. Raises TryAgain."""
    try:
        answer = calls.ask("GET", f"/charges/{quote(key, safe='')}", until, {})
        return None if answer.status == NOT_FOUND else _done(answer, key, amount)
    except Unclear as error:
        raise TryAgain(f"The payment provider does not say what it did: {error}; try again.") from error


def _post(path: str, key: str, body: Mapping[str, Any], until: float) -> Answer:
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    return calls.ask("POST", path, until, headers, json.dumps(body).encode())


def _done(answer: Answer, key: str, amount: int) -> Mapping[str, Any]:
    """The charge in an answer, if it is the one that was asked about. Raises Invalid, TryAgain and Unclear."""
    if answer.status not in (OK, CREATED):
        raise calls.refused(answer)
    if (answer.body.get("key"), answer.body.get("amount")) != (key, amount):
        raise Unclear("its answer is about another payment, or about another amount")
    if answer.body.get("status") not in ("ACCEPTED", "DECLINED", "PENDING", "REFUNDED"):
        raise Unclear("its answer has a status that is not in the contract")
    return answer.body


def _receipt(known: Mapping[str, Any]) -> Receipt | None:
    match known["status"]:
        case "ACCEPTED":
            return Receipt(accepted=True)
        case "REFUNDED":
            return Receipt(accepted=False, reason=GIVEN_BACK)
        case "DECLINED":
            return Receipt(accepted=False, reason=str(known.get("reason") or DECLINED))
    return None
