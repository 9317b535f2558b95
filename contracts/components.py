"""What all OpenAPI documents share, once: parameters, headers, refusals, and the schemas of HAL and of problems."""

from typing import Any

from choreography import fields, idempotency, paging, problems, web
from contracts import schemas
from contracts.schemas import Json, reference

MANNERS = (
    "Answers are HAL (application/hal+json), refusals application/problem+json (RFC 9457). Dates are plain ISO 8601 "
    "(2025-12-25), instants RFC 3339 in UTC. Wherever a whole number is read, its digits in a string do as well. "
    "Fields that are not named here are ignored. HEAD is answered like GET, OPTIONS with `Allow`, any other method "
    "with 405 and `Allow`; unknown paths with 404, a host name that is not in ALLOWED_HOSTS with 421, changes asked "
    "for by a page of another origin with 403, and a body as an HTML form sends it with 415. There are no redirects: "
    f"a slash at the end makes no difference. More than {web.MOST_PARAMETERS} parameters, one that is there twice "
    f"(other than sort), and names or values of more than {web.LONGEST_PARAMETER} characters are refused with 400. "
    "Where the system asks its clients who they are (`x-access` has who may do what), what not everybody may do is "
    "answered with 401 without a good bearer token, and with 403 with one that does not reach so far; where it bounds "
    "how often they may ask, with 429 and Retry-After."
)
"""How every function answers, whatever it is about."""

HEADERS: dict[str, Json] = {
    "ETag": {
        "description": "Of the values, links aside: for If-Match and If-None-Match (RFC 9110).",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'},
    },
    "Location": {
        "description": "Where the resource is, or will be.",
        "required": True,
        "schema": {"type": "string", "format": "uri"},
    },
}


def parameter(name: str, where: str, about: str, schema: Json, **more: Any) -> Json:
    """A parameter of an operation."""
    return {"name": name, "in": where, "description": about, "schema": schema, **more}


PARAMETERS: dict[str, Json] = {
    "If-Match": parameter(
        "If-Match", "header", "Only if its ETag is one of these, or `*`.", {"type": "string"}, example="*"
    ),
    "If-None-Match": parameter(
        "If-None-Match", "header", "Only if its ETag is none of these.", {"type": "string"}, example='"0"'
    ),
    "Idempotency-Key": parameter(
        "Idempotency-Key",
        "header",
        "Makes the command safe to repeat, for two days or as the airline has set it: the same key and request get the "
        f"first answer again, marked by `{idempotency.REPEAT}` (and nothing is done twice), another request under that "
        "key gets 422. A second request waits for the first one, and gets 409 if that is at work for too long. `abc` "
        'and `"abc"` are the same key.',
        {"type": "string", "minLength": 1, "maxLength": idempotency.LONGEST_KEY, "pattern": "^[ -~]+$"},
        example="8e03978e-40d5-43e8-bc93-6894a57f9324",
    ),
} | {
    name.capitalize(): parameter(name, "query", field.about, schemas.asked(field))
    for name, field in paging.TABLE.items()
}

REFUSALS: dict[int, tuple[str, str]] = {
    400: ("Malformed", "The request is not what it claims to be: not JSON, or a NUL in the address."),
    404: ("NotFound", "There is no such thing."),
    405: ("MethodNotAllowed", "The path exists, the method does not; `Allow` names those that do."),
    409: ("Conflict", "The present state forbids it."),
    412: ("Changed", "Its ETag is not the one that If-Match names, or is one that If-None-Match names."),
    413: ("TooLarge", f"The body has more than {web.LARGEST_BODY} bytes."),
    415: ("Unsupported", "The body is not sent as application/json."),
    422: ("Invalid", "Well formed, but a value is missing or wrong; `errors` names every such field."),
    503: ("TryAgain", "The database is out of reach or too busy; the same request can succeed later."),
}
"""By status, the name of the component and its meaning by default."""


def refusal(about: str) -> Json:
    """A response that is a problem document."""
    return {"description": about, "content": {"application/problem+json": {"schema": reference("Problem")}}}


_PLACES = {"type": "integer", "minimum": 0}
SCHEMAS: dict[str, Json] = {
    "Link": {"type": "object", "required": ["href"], "properties": {"href": {"type": "string", "format": "uri"}}},
    "PageLinks": {
        "type": "object",
        "description": "`first`, `prev`, `next` and `last` where there is more than one page.",
        "required": ["self"],
        "properties": {name: reference("Link") for name in ("self", "first", "prev", "next", "last")},
    },
    "Page": {
        "type": "object",
        "required": ["size", "totalElements", "totalPages", "number"],
        "properties": {
            "size": dict(fields.integer(1, paging.LARGEST_SIZE).schema),
            "totalElements": _PLACES,
            "totalPages": _PLACES,
            "number": _PLACES,
            "totalIsLeast": {
                "const": True,
                "description": f"The list is longer than {paging.MOST_COUNTED}: it has at least `totalElements`.",
            },
        },
    },
    "Problem": {
        "type": "object",
        "description": "What is wrong (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"const": "about:blank"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {
                "type": "string",
                "description": "One sentence for the one who asked.",
                "maxLength": problems.LONGEST_DETAIL,
            },
            "errors": {
                "type": "array",
                "description": "The first fields that are wrong, as many as an answer of "
                f"{problems.MOST_BYTES} bytes has room for.",
                "items": {
                    "type": "object",
                    "required": ["field", "message"],
                    "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                },
            },
        },
    },
}
