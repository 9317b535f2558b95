"""Ids of reservations, which cannot be guessed."""

import hashlib
import hmac
import secrets

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 12
PATTERN = f"^[{CROCKFORD}]{{{LENGTH}}}$"
_BITS = 5 * LENGTH


def random_reservation_id() -> str:
    """Twelve characters of Crockford base32: no I, L, O or U to misread on the phone."""
    return _crockford(secrets.randbits(_BITS))


def derived_reservation_id(secret: str, *parts: str) -> str:
    """The same parts give the same id; without the secret it cannot be predicted."""
    # a length before each part keeps ("a", "bc") apart from ("ab", "c")
    message = "".join(f"{len(part)}:{part}" for part in parts).encode()
    digest = hmac.digest(secret.encode(), message, hashlib.sha256)
    return _crockford(int.from_bytes(digest) >> (8 * len(digest) - _BITS))


def is_reservation_id(text: str) -> bool:
    """Whether `text` could be one; the database is not asked about others."""
    return len(text) == LENGTH and all(letter in CROCKFORD for letter in text)


def _crockford(number: int) -> str:
    return "".join(CROCKFORD[number >> 5 * place & 31] for place in reversed(range(LENGTH)))
