"""Every route of the gateway, who may ask it, and the tokens that are tried there: on a laptop and on a cluster."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from testbed.project import ROOT
from tests.openid_provider import OpenIdProvider

DOCUMENTS = ROOT / "gateway" / "web" / "contracts" / "openapi"
OWN = {
    ("GET", "/healthz"): "everybody",
    ("GET", "/identity"): "everybody",
    ("GET", "/"): "everybody",
    ("GET", "/ops/sagas"): "everybody",
    ("GET", "/deliveries"): "operator",
    ("GET", "/kept"): "operator",
    ("POST", "/kept/1/replay"): "operator",
    ("GET", "/board/feed"): "operator",
    ("GET", "/metrics"): "operator",
}
"""Routes of the gateway that no function describes; pages are files without data."""


@dataclass(frozen=True)
class Route:
    """What is asked for, and who may: `x-access` of the document."""

    method: str
    path: str
    access: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def documented() -> Iterator[Route]:
    for file in sorted(DOCUMENTS.glob("*.json")):
        for path, verbs in json.loads(file.read_text("utf-8"))["paths"].items():
            for verb, operation in verbs.items():
                yield Route(verb.upper(), path, operation["x-access"])


ROUTES = [*documented(), *(Route(*route, access) for route, access in OWN.items())]
CUSTOMERS = ("customer A", "customer B")
WITHOUT = (
    *("nobody", "garbage", "expired", "not yet valid", "for another audience", "by another issuer"),
    *("forged", "forged operator", "unsigned", "signed with what is public"),
)
"""Who has no token that is good for anything."""


def tokens_of(people: OpenIdProvider) -> dict[str, str | None]:
    """By who shows it."""
    stranger = generate_private_key(65537, 2048)
    return {
        "nobody": None,
        "garbage": "not.a.token",
        "expired": people.signed(exp=1, iat=0),
        "not yet valid": people.signed(nbf=2**40),
        "for another audience": people.signed(aud="https://elsewhere.example"),
        "by another issuer": people.signed(iss="https://elsewhere.example"),
        "forged": people.signed(key=stranger),
        "forged operator": people.signed(key=stranger, roles=["operator"]),
        "unsigned": people.signed(key="", algorithm="none", roles=["operator"]),
        "signed with what is public": people.signed_with_what_is_public(roles=["operator"]),
        "customer A": people.token("ann"),
        "customer B": people.token("bob"),
        "operator": people.token("olga"),
    }


def refusals(access: str) -> dict[str, int]:
    """Who is refused by a route of that `access`: 401 without a good token, 403 with one that does not reach."""
    without = dict.fromkeys(WITHOUT, 401)
    return {"everybody": {}, "owner": without, "operator": without | dict.fromkeys(CUSTOMERS, 403)}[access]
