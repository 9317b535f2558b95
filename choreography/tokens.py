"""Who sends an event: the bearer tokens that Knative Eventing gives to every sender (`authentication-oidc`).

Ours is a file that the SinkBinding mounts. Theirs are verified here, as Knative does so at its Brokers, but not at a
Knative Service: without this, anyone who reaches a policy could send it an event that never happened. Where
TOKEN_ISSUER is not set (a laptop, a cluster without the flag) nothing is asked and nothing is imported.
"""

from collections.abc import Mapping
from pathlib import Path

from werkzeug.datastructures import Headers

from choreography.errors import BrokerAway, Forbidden, Unauthenticated
from choreography.settings import settings

OURS = Path("/oidc/token")
"""Where a SinkBinding mounts the token for its sink (Knative eventing, sinkbinding_lifecycle.go)."""


def own() -> dict[str, str]:
    """The header for the Broker; none without a token. Raises BrokerAway where there is one that cannot be read.

    Read at each call: a token lives for an hour and is replaced.
    """
    try:
        return {"Authorization": f"Bearer {OURS.read_text('ascii').strip()}"}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BrokerAway("The token for the broker cannot be read.") from error


def audience(system: str, service: str) -> str:
    """Whom a token for this function of a system is meant for; its Triggers say so, see knative/components/oidc.

    Each function has its own, or one could show the tokens that it gets to another.
    """
    return f"{system}/{service}"


def verify(headers: Mapping[str, str] | Headers) -> None:
    """Lets a delivery pass. Raises Unauthenticated, Forbidden, and TryAgain while the issuer is out of reach."""
    issuer_url = settings().token_issuer
    if issuer_url is None:
        return
    from choreography import issuer  # noqa: PLC0415 - cryptography, which a function that verifies nothing does not need

    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("A delivery must carry a bearer token.")
    meant_for = audience(settings().token_audience, settings().service)
    subject = issuer.known(issuer_url, settings().token_ca).subject(token.strip(), meant_for)
    if not any(_fits(subject, pattern) for pattern in settings().token_subjects):
        raise Forbidden(f"{subject} may not deliver here.")


def _fits(subject: str, pattern: str) -> bool:
    """As in an EventPolicy: in full, or up to a * at the end."""
    return subject.startswith(pattern[:-1]) if pattern.endswith("*") else subject == pattern
