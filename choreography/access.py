"""Who asks over HTTP: the bearer tokens of people and programs, by the OpenID Connect issuer of IDENTITY_ISSUER.

Each route says who may ask (`access` in choreography/contract.py); one that says nothing is for operators. A route that
owners may ask narrows what it reads to `owner()`: what belongs to somebody else is as if it were not there.
Where IDENTITY_ISSUER is not set, nobody is asked, everybody may do everything, and nothing is imported.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import g, has_request_context

from choreography import fields, rates
from choreography.contract import Access
from choreography.errors import Forbidden, TryAgain, Unauthenticated
from choreography.settings import Identity, settings

if TYPE_CHECKING:
    from flask import Request

LONGEST_SUBJECT = 255
"""Characters (OpenID Connect Core 1.0, section 2)."""
_NO_TOKEN = "This needs a bearer token: sign in, and send it in the header Authorization."  # noqa: S105 - a sentence


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller, as a verified token says. An operator may see and do everything, whatever its number is."""

    subject: str
    number: int | None
    """The number under which things are theirs; None where the token has no such claim."""
    is_operator: bool


def admit(request: "Request", access: Access) -> None:
    """Lets a request pass, and keeps who sent it until it is answered.

    Raises Unauthenticated without a good token, Forbidden for one that does not reach so far, TryAgain while the keys
    of the issuer are out of reach, TooMany for a client that asks too often.
    """
    wanted = settings().identity
    if wanted is None or access is Access.EVERYBODY:
        rates.spend(rates.address(request))
        return
    try:
        g.caller = found = _caller(request, wanted)
    except (Unauthenticated, TryAgain):
        rates.spend(rates.address(request))  # who guesses is counted as well, a key that nobody published included
        raise
    rates.spend(found.subject)
    if access is Access.OPERATORS and not found.is_operator:
        raise Forbidden("Only operators may do this.")
    if found.number is None and not found.is_operator:
        raise Forbidden(f"This token does not say whose things it is for: it has no claim {wanted.owner_claim}.")


def caller() -> Caller | None:
    """Who sent the request that is being answered; None where nobody was asked."""
    found: Caller | None = g.get("caller") if has_request_context() else None
    return found


def owner() -> int | None:
    """The number to which everything is narrowed; None: there is no bound."""
    found = caller()
    return None if found is None or found.is_operator else found.number


def owns(number: int | None) -> bool:
    """Whether the caller may see what belongs to that number; None: it is not known to whom it belongs."""
    bound = owner()
    return bound is None or bound == number


def attributes() -> dict[str, str]:
    """Who asked, in a CloudEvent that carries the request on (the extension "Auth Context" of CloudEvents)."""
    found = caller()
    return {} if found is None else {"authtype": "app_user", "authid": found.subject}


def _caller(request: "Request", wanted: Identity) -> Caller:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated(_NO_TOKEN)
    from choreography import issuer  # noqa: PLC0415 - cryptography, which is not needed where nobody is asked

    claims = issuer.known(wanted.issuer, wanted.ca, None).claims(token.strip(), wanted.audience)
    subject = str(claims["sub"])
    if not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():  # it is kept, and sent on with commands
        raise Unauthenticated(f"The subject of a token must be 1 to {LONGEST_SUBJECT} printable characters.")
    return Caller(
        subject=subject,
        number=_number(_claim(claims, wanted.owner_claim)),
        is_operator=wanted.operator_role in _words(_claim(claims, wanted.operator_claim)),
    )


def _claim(claims: dict[str, Any], name: str) -> Any:
    """A claim of that whole name, which may be a URL, or one inside of others: realm_access.roles."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _number(value: object) -> int | None:
    try:
        return None if value is None else fields.IDENTITY(value)
    except ValueError:
        return None


def _words(value: object) -> list[object]:
    if isinstance(value, str):
        return [*value.split()]
    return value if isinstance(value, list) else []
