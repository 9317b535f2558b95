"""An OpenID Connect issuer, such as a Kubernetes cluster: what it is called, and the keys that it signs with.

Imported only where tokens are verified: of deliveries by choreography.tokens, of people by choreography.access.
"""

import functools
import json
import ssl
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import jwt

from choreography.errors import TryAgain, Unauthenticated
from choreography.logs import log

ALGORITHMS = ("RS256", "ES256", "ES384", "ES512")
"""What Kubernetes signs with. Never one with a shared secret: the public key would be the secret."""
CLAIMS = ("iss", "sub", "aud", "exp", "iat")
LEEWAY = 60.0
"""Seconds that clocks may differ."""
FRESH = 3600.0
"""Seconds until published keys are read again, so that a withdrawn one is not trusted for ever."""
PAUSE = 10.0
"""Seconds between two readings, so that invented key ids cannot make us ask the issuer each time."""
TIMEOUT = 5.0
"""Seconds for each of the two answers: with both, well before the Broker gives up on us."""
LARGEST = 256 * 1024
OF_KUBERNETES = "/openid/v1/jwks"
"""Where a cluster has its keys; `keys_at` is a path below the issuer, or None for the `jwks_uri` that it publishes."""


@dataclass(frozen=True, slots=True)
class Published:
    """What an issuer published about itself, and when, by the monotonic clock."""

    issuer: str
    keys: dict[str, jwt.PyJWK]
    read_at: float


@functools.cache
def known(url: str, ca: Path | None, keys_at: str | None = OF_KUBERNETES) -> "Issuer":
    """One for each process: its keys are shared by all threads."""
    return Issuer(url, ca, keys_at)


class Issuer:
    """Verifies tokens. `ca` is a file of the authorities that vouch for `url`; without one, those of the system."""

    def __init__(self, url: str, ca: Path | None = None, keys_at: str | None = OF_KUBERNETES) -> None:
        self._url, self._ca, self._keys_at = url.rstrip("/"), ca, keys_at
        self._lock = threading.Lock()
        self._published: Published | None = None
        self._asked_at = float("-inf")

    def subject(self, token: str, audience: str) -> str:
        """The sender of the token. Raises Unauthenticated, and TryAgain where the needed key cannot be read now."""
        return str(self.claims(token, audience)["sub"])

    def claims(self, token: str, audience: str) -> dict[str, Any]:
        """All that the token says. Raises as `subject` does."""
        try:
            published, key = self._signed_with(str(jwt.get_unverified_header(token).get("kid")))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=audience,
                issuer=published.issuer,
                leeway=LEEWAY,
                options={"require": list(CLAIMS)},
            )
        except (jwt.PyJWTError, RecursionError) as error:  # JSON in a header can be nested too deep to be read
            raise Unauthenticated(f"This token is not accepted: {error}.") from error
        return claims

    def _signed_with(self, key_id: str) -> tuple[Published, jwt.PyJWK]:
        published = self._published
        if published is None or not _has(published, key_id):
            with self._lock:  # of many at once, one reads; whose key is known does not wait for it
                published = self._published
                if published is None or not _has(published, key_id):
                    published = self._read_again(key_id, monotonic())
        if key_id not in published.keys:
            raise Unauthenticated("This token is signed with a key that the issuer does not publish.")
        return published, published.keys[key_id]

    def _read_again(self, key_id: str, now: float) -> Published:
        if now - self._asked_at >= PAUSE:
            self._asked_at = now
            try:
                self._published = self._read(now)
            except (OSError, ValueError, TypeError, KeyError, jwt.PyJWTError) as error:
                log.warning("the keys of %s cannot be read: %s", self._url, error)
            else:
                return self._published
        if self._published and key_id in self._published.keys:
            return self._published  # old ones are better than none
        # a new key may have been published a moment ago, so this is not a 401, which would end in the dead letters
        raise TryAgain("The keys of the token issuer cannot be read at the moment; try again.")

    def _read(self, now: float) -> Published:
        described = self._url + "/.well-known/openid-configuration"
        if self._keys_at is None:
            about = self._get(described)
            keys = self._get(self._published_place(about))
        else:
            # `jwks_uri` of Kubernetes is not followed: it names the node's own address there, or that of a public copy,
            # while the keys are always here as well, behind the certificate that is trusted already
            keys = self._get(self._url + self._keys_at)
            about = self._get(described)
        found = jwt.PyJWKSet.from_dict(keys)
        return Published(str(about["issuer"]), {key.key_id: key for key in found.keys if key.key_id}, now)

    def _published_place(self, about: dict[str, Any]) -> str:
        """`jwks_uri`, of an issuer that is the one that was meant (OpenID Connect Discovery, section 4.3)."""
        if str(about["issuer"]).rstrip("/") != self._url:
            raise ValueError(f"it calls itself {about['issuer']}")
        place = str(about["jwks_uri"])
        if place.startswith(("https://", f"{self._url}/")):
            return place
        raise ValueError(f"its keys are at {place}, which is not https")

    def _get(self, address: str) -> dict[str, Any]:
        # not by requests, as the outbox sends: a function that only hears does without it, a fifth of a cold start
        tls = ssl.create_default_context(cafile=self._ca)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
        with direct.open(address, timeout=TIMEOUT) as answer:
            document: dict[str, Any] = json.loads(answer.read(LARGEST))
        return document


def _has(published: Published, key_id: str) -> bool:
    return key_id in published.keys and monotonic() - published.read_at <= FRESH
