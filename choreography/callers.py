"""Which callers a function refuses before it reads more: those that a browser sends without its user knowing.

On a laptop every function has a port that any page in the user's browser can reach. A name that leads there by
trickery (DNS rebinding) shows in Host, another page in Origin and Sec-Fetch-Site (Fetch, sections 3.2 and W3C Fetch
Metadata), and what a form can send without a preflight by its Content-Type. Programs send none of these. Behind the
gateway, which refuses the same callers, Origin and Sec-Fetch-Site do not arrive.
"""

from flask import Request

from choreography.errors import Forbidden, Misdirected, Unsupported
from choreography.settings import settings

READING = ("GET", "HEAD", "OPTIONS")
OF_A_FORM = ("text/plain", "multipart/form-data", "application/x-www-form-urlencoded")
AT_HOME = ("same-origin", "none")
PROBE = "/healthz"
"""The path of the readiness probe, which asks by the address of a pod."""


def refuse_strangers(request: Request) -> None:
    """Raises Misdirected for a host that is not ours, Forbidden for a page of another origin that wants to write."""
    environ = request.environ  # not request.headers, which takes ten calls for each name
    host = environ.get("HTTP_HOST")
    if host is None:  # HTTP/1.0 needs none
        host = request.host
    names = settings().allowed_hosts
    probed = request.path == PROBE and request.method in READING  # an event is heard at any path
    if names and not probed and _name(host) not in names:
        raise Misdirected("This function does not answer to that host name; ALLOWED_HOSTS lists its names.")
    origin, site = environ.get("HTTP_ORIGIN"), environ.get("HTTP_SEC_FETCH_SITE")
    foreign = origin not in {f"http://{host}", f"https://{host}"} if origin else site not in {None, *AT_HOME}
    if foreign and request.method not in READING:
        raise Forbidden("Pages of another origin may not change anything here.")


def refuse_forms(request: Request) -> None:
    """Raises Unsupported for what an HTML form can send; a binary CloudEvent has headers that a form cannot set."""
    kind = request.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind in OF_A_FORM and request.method not in READING and "HTTP_CE_SPECVERSION" not in request.environ:
        raise Unsupported(f"A body of {kind} is not read here: send application/json, or no Content-Type.")


def _name(host: str) -> str:
    """Without the port, in small letters. IPv6 addresses keep their brackets."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()
