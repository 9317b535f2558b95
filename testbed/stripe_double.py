"""A double of Stripe's API, as far as functions/payment/provider/stripe_shaped.py uses it, with its rules.

The shapes are held against stripe-mock by tests/integration/test_stripe_mock.py; the behaviour is what Stripe's
documentation says: an Idempotency-Key repeats the first answer, a confirmed or canceled PaymentIntent takes no other
action, the search lags behind.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Json = dict[str, Any]


@dataclass
class StripeDouble:
    """`searches`: whether the search has caught up. `cards` maps a payment method to how its charge ends."""

    intents: dict[str, Json] = field(default_factory=dict)
    refunds: list[Json] = field(default_factory=list)
    searches: bool = True
    confirmed_as: str = "succeeded"
    refunded_as: str = "succeeded"
    remembers: bool = True
    _answers: dict[str, tuple[int, Json]] = field(default_factory=dict)
    _numbers: Any = field(default_factory=count)

    @property
    def kept(self) -> int:
        """What was taken and has not gone back."""
        taken = sum(int(intent["amount_received"]) for intent in self.intents.values())
        return taken - sum(int(refund["amount"]) for refund in self.refunds if refund["status"] != "failed")

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """A WSGI application."""
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        known = self._answers.get(key) if key and self.remembers else None
        status, body = known or self._do(request)
        body = json.loads(json.dumps(body))
        if key and known is None:
            self._answers[key] = status, body
        return Response(json.dumps(body), status, content_type="application/json")

    def _do(self, request: Request) -> tuple[int, Json]:
        _, _, kind, *rest = request.path.split("/")
        if kind == "refunds":
            return self._refund(request) if request.method == "POST" else (200, _list(self._refunds_of(request)))
        if request.method == "GET":
            return self._search(request) if rest == ["search"] else (200, self._shown(self.intents[rest[0]]))
        if not rest:
            return 200, self._make(request)
        actions: dict[str, Callable[[Json, Request], tuple[int, Json]]] = {
            "confirm": self._confirm,
            "cancel": self._cancel,
        }
        return actions[rest[1]](self.intents[rest[0]], request)

    def _make(self, request: Request) -> Json:
        identity = f"pi_{next(self._numbers)}"
        self.intents[identity] = {
            "id": identity,
            "object": "payment_intent",
            "amount": int(request.form["amount"]),
            "amount_received": 0,
            "currency": request.form["currency"],
            "metadata": {"reservation": request.form["metadata[reservation]"]},
            "status": "requires_payment_method",
            "last_payment_error": None,
        }
        return self.intents[identity]

    def _confirm(self, intent: Json, request: Request) -> tuple[int, Json]:
        if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
            return 400, _error("payment_intent_unexpected_state")
        method = request.form["payment_method"]
        if not method.startswith("pm_card_"):
            return 400, _error("resource_missing")
        if "Declined" in method:
            intent["last_payment_error"] = {"code": "card_declined", "decline_code": "generic_decline"}
            return 402, {"error": intent["last_payment_error"]}
        intent["status"] = self.confirmed_as
        intent["amount_received"] = intent["amount"] if self.confirmed_as == "succeeded" else 0
        return 200, self._shown(intent)

    def _cancel(self, intent: Json, _: Request) -> tuple[int, Json]:
        if intent["status"] in ("succeeded", "processing", "canceled"):
            return 400, _error("payment_intent_unexpected_state")
        intent["status"] = "canceled"
        return 200, intent

    def _refund(self, request: Request) -> tuple[int, Json]:
        intent = self.intents[request.form["payment_intent"]]
        left = intent["amount_received"] - sum(one["amount"] for one in self._alive(intent["id"]))
        amount = int(request.form.get("amount", left))
        if not 0 < amount <= left:
            return 400, _error("charge_already_refunded")
        made = {"id": f"re_{next(self._numbers)}", "object": "refund", "amount": amount}
        self.refunds.append(made | {"payment_intent": intent["id"], "status": self.refunded_as})
        return 200, self.refunds[-1]

    def _alive(self, intent: str) -> list[Json]:
        return [one for one in self.refunds if one["payment_intent"] == intent and one["status"] != "failed"]

    def _refunds_of(self, request: Request) -> list[Json]:
        return [one for one in self.refunds if one["payment_intent"] == request.args["payment_intent"]]

    def _search(self, request: Request) -> tuple[int, Json]:
        wanted = request.args["query"].split("'")[3]
        found = [one for one in self.intents.values() if one["metadata"]["reservation"] == wanted and self.searches]
        return 200, _list(found) | {"object": "search_result"}

    def _shown(self, intent: Json) -> Json:
        refunded = sum(one["amount"] for one in self._alive(intent["id"]))
        charge = {"object": "charge", "amount_refunded": refunded} if intent["status"] == "succeeded" else None
        return intent | {"latest_charge": charge}


def _list(found: list[Json]) -> Json:
    return {"object": "list", "data": found, "has_more": False}


def _error(code: str) -> Json:
    return {"error": {"code": code, "message": f"refused: {code}", "type": "invalid_request_error"}}
