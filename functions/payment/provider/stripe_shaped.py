"""A provider with the API of Stripe: a PaymentIntent for each key, confirmed once, canceled or refunded as a whole.

    requires_payment_method, _confirmation, _action  -> confirm, or cancel      no money has moved
    processing                                       -> wait for its webhook
    succeeded                                        -> refund
    canceled                                         the end: it can be neither confirmed nor refunded

The intent of a key is made before any money moves, always by the same request with the same Idempotency-Key. So each
call ends with its id, and its present state is read before anything is done to it. Stripe forgets an Idempotency-Key
after a day at least; its search, which knows an intent after about a minute, finds it for ever.

Amounts are in the smallest unit of the currency. Refunds that somebody made by hand count: what is left is refunded.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from airline.settings import settings
from choreography.errors import TryAgain
from provider import calls
from provider.calls import Answer, Unclear
from provider.receipts import DECLINED, GIVEN_BACK, Receipt

TEST_METHODS = {"accept": "pm_card_visa", "slow": "pm_card_visa", "decline": "pm_card_visa_chargeDeclined"}
"""Stripe's own test cards, for the three words that `paymentMethod` has."""
WHOLE_UNITS = {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
THOUSANDTHS = {"BHD", "JOD", "KWD", "OMR", "TND"}
"""Currencies without, and with three decimals (Stripe's documentation, "Supported currencies"); all others have two."""
UNTOUCHED = ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture")
OK, CARD_DECLINED = 200, 402
MOST_REFUNDS = 100
_TOKEN = "reservation"  # noqa: S105 - the name of a metadata field

Object = Mapping[str, Any]


def charge(key: str, amount: int, method: str, again: bool = False) -> Receipt | None:
    """See provider.charge."""
    until = calls.deadline()
    try:
        intent = _intent(key, amount, until, again)
        if intent["status"] not in ("requires_payment_method", "requires_confirmation") or _was_declined(intent):
            return _receipt(intent)
        return _confirm(intent, key, method, until)
    except Unclear as error:
        raise _unclear(error) from error


def undo(key: str, amount: int) -> bool | None:
    """See provider.undo."""
    until = calls.deadline()
    try:
        intent = _intent(key, amount, until, again=True)
        if intent["status"] in UNTOUCHED:
            intent = _cancel(intent, key, until)
        if intent["status"] == "succeeded":
            return _refund(intent, key, until)
        return False if intent["status"] == "canceled" else None
    except Unclear as error:
        raise _unclear(error) from error


def look(key: str, amount: int) -> Receipt | None:
    """See provider.look. Where there was no intent one is made, with which no money moves."""
    try:
        return _receipt(_intent(key, amount, calls.deadline(), again=True))
    except Unclear as error:
        raise _unclear(error) from error


def subject(hint: Mapping[str, Any]) -> str | None:
    """See provider.subject: PaymentIntents, Charges and Refunds carry the key in their metadata."""
    found: Any = hint
    for name in ("data", "object", "metadata", _TOKEN):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else None


def _intent(key: str, amount: int, until: float, again: bool) -> Object:
    """The PaymentIntent of a key as it is now; it is made where there is none."""
    known = _search(key, until) if again else None
    if known is None:
        wish = {"amount": _smallest(amount), "currency": settings().payment_currency.lower(), **_about(key)}
        made = _post("/v1/payment_intents", wish | {"payment_method_types[]": "card"}, key, until)
        known = str(_object(made, "payment_intent")["id"])
        if not again:
            return made.body
    # what was made by an earlier request is repeated as it was then
    return _read(known, until)


def _search(key: str, until: float) -> str | None:
    query = urlencode({"query": f"metadata['{_TOKEN}']:'{key}'", "limit": 1})
    found = _object(calls.ask("GET", f"/v1/payment_intents/search?{query}", until, {}), "search_result")["data"]
    return str(found[0]["id"]) if found else None


def _read(identity: str, until: float) -> Object:
    path = f"/v1/payment_intents/{quote(identity, safe='')}?expand[]=latest_charge"
    return _object(calls.ask("GET", path, until, {}), "payment_intent")


def _confirm(intent: Object, key: str, method: str, until: float) -> Receipt | None:
    """Nobody is there to answer questions of the bank, so a charge that needs that is declined."""
    wish = {"payment_method": TEST_METHODS.get(method, method), "off_session": "true"}
    answer = _post(_path(intent, "confirm"), wish, f"{key}-confirm", until)
    if answer.status == CARD_DECLINED:
        return Receipt(accepted=False, reason=_reason(answer.body.get("error")))
    return _receipt(_moved(answer, intent, until))


def _cancel(intent: Object, key: str, until: float) -> Object:
    return _moved(_post(_path(intent, "cancel"), {}, f"{key}-cancel", until), intent, until)


def _moved(answer: Answer, intent: Object, until: float) -> Object:
    """The intent after an action; a refused one may be refused because another call has moved it before."""
    if answer.status == OK:
        return _object(answer, "payment_intent")
    now = _read(str(intent["id"]), until)
    if now["status"] in UNTOUCHED:
        raise calls.refused(answer)
    return now


def _refund(intent: Object, key: str, until: float) -> bool | None:
    """Refunds what has not gone back yet."""
    query = urlencode({"payment_intent": intent["id"], "limit": MOST_REFUNDS})
    listed = _object(calls.ask("GET", f"/v1/refunds?{query}", until, {}), "list")["data"]
    alive = [refund for refund in listed if refund["status"] not in ("failed", "canceled")]
    if sum(refund["amount"] for refund in alive) < intent["amount_received"]:
        wish = {"payment_intent": intent["id"], **_about(key)}
        # another key for each attempt: the same one would only repeat what failed
        alive.append(_object(_post("/v1/refunds", wish, f"{key}-refund-{len(listed)}", until), "refund"))
    return True if all(refund["status"] == "succeeded" for refund in alive) else None


def _receipt(intent: Object) -> Receipt | None:
    if intent["status"] == "succeeded":
        charge = intent.get("latest_charge")
        given_back = isinstance(charge, Mapping) and charge.get("amount_refunded", 0) > 0
        return Receipt(accepted=False, reason=GIVEN_BACK) if given_back else Receipt(accepted=True)
    if intent["status"] == "canceled" or _was_declined(intent):
        return Receipt(accepted=False, reason=_reason(intent.get("last_payment_error")))
    return None


def _was_declined(intent: Object) -> bool:
    return intent["status"] == "requires_payment_method" and bool(intent.get("last_payment_error"))


def _reason(error: object) -> str:
    said = error.get("decline_code") or error.get("code") if isinstance(error, Mapping) else None
    return f"{DECLINED}: {said}" if said else DECLINED


def _post(path: str, form: Mapping[str, Any], key: str, until: float) -> Answer:
    headers = {"Idempotency-Key": key, "Content-Type": "application/x-www-form-urlencoded"}
    return calls.ask("POST", path, until, headers, urlencode(form).encode())


def _path(intent: Object, action: str) -> str:
    return f"/v1/payment_intents/{quote(str(intent['id']), safe='')}/{action}"


def _object(answer: Answer, kind: str) -> Object:
    """The object in an answer. Raises Invalid and TryAgain for a refusal, Unclear for anything else."""
    if answer.status != OK:
        raise calls.refused(answer)
    if answer.body.get("object") != kind:
        raise Unclear(f"its answer is not a {kind}")
    return answer.body


def _about(key: str) -> dict[str, str]:
    return {f"metadata[{_TOKEN}]": key}


def _smallest(amount: int) -> int:
    currency = settings().payment_currency
    return amount * (1 if currency in WHOLE_UNITS else 1000 if currency in THOUSANDTHS else 100)


def _unclear(error: Unclear) -> TryAgain:
    # the intent says what was done, so the next delivery reads it before it does anything
    return TryAgain(f"The payment provider does not say what it did: {error}; try again.")
