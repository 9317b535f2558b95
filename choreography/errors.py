"""What can go wrong, drawn as a tree. The class says whether trying again can help.

Problem
├── TryAgain       nothing is wrong with the request, the world is not ready: the broker retries
│   ├── BrokerAway   the broker did not answer at all
│   └── EventRefused  the broker takes others, but not this event
├── NotFound       the thing is not there; retried by a broker, as it may be on its way
├── Conflict       somebody else is at it, or its state forbids it
├── PreconditionFailed  the client meant another state of it (If-Match)
├── Malformed      bytes that are not what they claim to be (no JSON, no CloudEvent)
├── BrokenOff      a request that did not arrive completely: the broker retries
├── Invalid        well formed, but nobody will ever be able to process it; names the fields
├── Unauthenticated  the sender is not known
├── Forbidden      understood and refused
├── Misdirected    asked by a host name that is not ours
├── TooMany        the client asks too often; it may ask again later
├── Unsupported    a media type that is not supported
└── TooLarge       more than anybody reads

Each is a status in HTTP (choreography/problems.py). A broker retries 404, 408, 409, 429 and 5xx and dead-letters every
other refusal at once (Knative eventing, pkg/kncloudevents/retries.go), so a *business* no is an event, never
one of these.
"""

from collections.abc import Mapping


class Problem(Exception):
    """Anything that is refused on purpose. `str()` is one sentence for whoever asked."""


class TryAgain(Problem):
    """The same request can succeed later."""


class BrokerAway(TryAgain):
    """The broker did not answer at all, so trying the next event now is useless."""


class EventRefused(TryAgain):
    """The broker does not take this event, whatever it does with others."""


class NotFound(Problem):
    """It does not exist (yet)."""


class Conflict(Problem):
    """The present state forbids it."""


class PreconditionFailed(Problem):
    """What the client wants to change is not in the state that it named."""


class Malformed(Problem):
    """The bytes are not what they claim to be."""


class BrokenOff(Problem):
    """The sender went away, or fell silent, before all of the request was here."""


class Invalid(Problem):
    """`fields` maps the name of each bad field, as the client spelt it, to what is wrong with it."""

    def __init__(self, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})


class Unauthenticated(Problem):
    """The sender did not prove who it is."""


class Forbidden(Problem):
    """Understood, and refused."""


class Misdirected(Problem):
    """Asked by a host name that is not ours."""


class TooMany(Problem):
    """The client may ask again in `seconds`."""

    def __init__(self, message: str, seconds: int = 1) -> None:
        super().__init__(message)
        self.seconds = seconds


class Unsupported(Problem):
    """This media type is not supported."""


class TooLarge(Problem):
    """More than anybody reads."""
