"""Signed webhooks: a header `t=1700000000,v1=hex`, with the HMAC-SHA256 of the time, a full stop and the body.

The scheme is Stripe's (its documentation, "Verify webhook signatures manually"); others that sign use much the same.
The time is signed as well, so an old message cannot be sent again later.
"""

import hashlib
import hmac
import re

from choreography import clock
from choreography.errors import Unauthenticated

TOLERANCE = 300
"""Seconds that a signature may be old, or the clock of its sender ahead."""
MOST_PARTS = 16
_TIME = re.compile(r"[0-9]{1,12}", re.ASCII)


def sign(secret: str, body: bytes) -> str:
    """The header for a body that is sent now."""
    at = str(int(clock.now().timestamp()))
    return f"t={at},v1={_made(secret, at, body)}"


def verify(secret: str, body: bytes, header: str) -> None:
    """Raises Unauthenticated for what was not signed with the secret, or not within the last minutes.

    There may be several signatures: while a secret is replaced, a sender signs with both.
    """
    parts = [part.strip().partition("=") for part in header.split(",", MOST_PARTS)[:MOST_PARTS]]
    at = next((value for name, _, value in parts if name == "t"), "")
    if not _TIME.fullmatch(at):
        raise Unauthenticated("This webhook is not signed: its header must be t=TIME,v1=SIGNATURE.")
    made = _made(secret, at, body).encode()
    # all of them, in constant time, whichever is right
    if not any([hmac.compare_digest(made, value.encode()) for name, _, value in parts if name == "v1"]):  # noqa: C419
        raise Unauthenticated("The signature of this webhook is wrong.")
    if abs(clock.now().timestamp() - int(at)) > TOLERANCE:
        raise Unauthenticated(f"This webhook was signed more than {TOLERANCE} s ago, or its sender's clock is wrong.")


def _made(secret: str, at: str, body: bytes) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
