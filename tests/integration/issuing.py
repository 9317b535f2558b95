"""A token issuer: what the API server of a cluster publishes, or a provider of people, and the tokens that it signs."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from testbed.listening import Quiet, listening

ISSUER = "https://kubernetes.default.svc.cluster.local"
TRIGGER = "system:serviceaccount:airline:confirm-reservation-on-paid-oidc-eventing.knative.dev-trigger"
PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey


@dataclass
class TokenIssuer:
    """`keys` are the published ones by id. `asked` are the paths that were read; `away` refuses to answer.

    One `of_people` is called by its address, and says where its keys are.
    """

    url: str
    keys: dict[str, PrivateKey] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    away: bool = False
    of_people: bool = False

    def document(self, path: str) -> dict[str, Any] | None:
        """What is published there."""
        keys = [public(key) | {"kid": identity} for identity, key in self.keys.items()]
        itself = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        of_a_cluster = {"issuer": ISSUER, "jwks_uri": "https://198.51.100.1/openid/v1/jwks"}
        found: dict[str, dict[str, Any]] = {
            "/.well-known/openid-configuration": itself if self.of_people else of_a_cluster,
            "/keys" if self.of_people else "/openid/v1/jwks": {"keys": keys},
        }
        return None if self.away else found.get(path)

    def token(self, service: str, key_id: str = "first") -> str:
        """A good token for a Service, as Knative gets them."""
        return self.saying(claims_for(service), key_id)

    def saying(self, claims: dict[str, object], key_id: str = "first") -> str:
        """A token signed by the issuer, whatever it says; claims that are None are left out."""
        return signed(self.keys[key_id], claims, key_id)

    def person(self, subject: str, key_id: str = "first", **claims: object) -> str:
        """A good token of somebody who has signed in; more claims, or others."""
        now = int(time.time())
        usual = {"iss": self.url, "sub": subject, "aud": "airline", "iat": now, "exp": now + 600}
        return self.saying(usual | claims, key_id)


def claims_for(service: str) -> dict[str, object]:
    """What a token for a Service says."""
    now = int(time.time())
    times = {"iat": now, "nbf": now, "exp": now + 3600}
    return {"iss": ISSUER, "sub": TRIGGER, "aud": [f"airline/{service}"], **times}


def signed(key: PrivateKey, claims: dict[str, object], key_id: str) -> str:
    """A token with these claims."""
    algorithm = "RS256" if isinstance(key, RSAPrivateKey) else "ES256"
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm, {"kid": key_id})


def public(key: PrivateKey) -> dict[str, Any]:
    """The public half as a JSON Web Key."""
    if isinstance(key, RSAPrivateKey):
        return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return ECAlgorithm.to_jwk(key.public_key(), as_dict=True)


@contextmanager
def token_issuer() -> Iterator[TokenIssuer]:
    """Runs one on a free port of 127.0.0.1."""

    class Documents(Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            document = issuer.document(self.path)
            body = json.dumps(document).encode() if document else b"away"
            self.send_response(200 if document else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with listening(Documents) as url:
        issuer = TokenIssuer(url)
        yield issuer
