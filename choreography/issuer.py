"""An OpenID Connect issuer, such as a Kubernetes cluster: what it is called, and the keys that it signs with.

Imported only where tokens are verified, by choreography.tokens.
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
"""Seconds until published keys are read again, lest one that was withdrawn be trusted for ever."""
PAUSE = 10.0
"""Seconds between two readings, so that invented key ids cannot make us ask the issuer each time."""
TIMEOUT = 5.0
"""Seconds for each of the two answers: with both, well before the Broker gives up on us."""
LARGEST = 256 * 1024


@dataclass(frozen=True, slots=True)
class Published:
    """What an issuer published about itself, and when, by the monotonic clock."""

    issuer: str
    keys: dict[str, jwt.PyJWK]
    read_at: float


@functools.cache
def known(url: str, ca: Path | None) -> "Issuer":
    """One for each process: its keys are shared by all threads."""
    return Issuer(url, ca)


class Issuer:
    """Verifies tokens. `ca` is a file of the authorities that vouch for `url`; without one, those of the system."""

    def __init__(self, url: str, ca: Path | None = None) -> None:
        self._url, self._ca = url.rstrip("/"), ca
        self._lock = threading.Lock()
        self._published: Published | None = None
        self._asked_at = float("-inf")

    def subject(self, token: str, audience: str) -> str:
        """The sender of the token. Raises Unauthenticated, and TryAgain where the needed key cannot be read now."""
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
        return str(claims["sub"])

    def _signed_with(self, key_id: str) -> tuple[Published, jwt.PyJWK]:
        with self._lock:  # of many deliveries at once, one reads
            now = monotonic()
            published = self._published
            if published is None or key_id not in published.keys or now - published.read_at > FRESH:
                published = self._read_again(key_id, now)
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
        # `jwks_uri` is not followed: Kubernetes names the node's own address there, or that of a public copy,
        # while the keys are always here as well, behind the certificate that is trusted already
        found = jwt.PyJWKSet.from_dict(self._get("/openid/v1/jwks"))
        keys = {key.key_id: key for key in found.keys if key.key_id}
        return Published(str(self._get("/.well-known/openid-configuration")["issuer"]), keys, now)

    def _get(self, path: str) -> dict[str, Any]:
        # not by requests, as the outbox sends: a function that only hears is spared it, a fifth of a cold start
        tls = ssl.create_default_context(cafile=self._ca)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
        with direct.open(self._url + path, timeout=TIMEOUT) as answer:
            document: dict[str, Any] = json.loads(answer.read(LARGEST))
        return document
