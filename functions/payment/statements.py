"""The ledger of a provider that is somebody else, shown as if it were here."""

from urllib.parse import urlsplit

from flask import Request, Response

from airline.settings import settings
from choreography import hal
from choreography.errors import NotFound, TryAgain
from provider import calls
from provider.calls import Unclear


def of_provider(request: Request) -> Response:
    """The page of the provider's ledger that the request asks for. Raises NotFound, Invalid and TryAgain."""
    if settings().payment_provider != "contract":
        raise NotFound("This payment provider shows its ledger on its own pages.")
    here = urlsplit(hal.base_url(request))
    # the links in the answer begin where this client called
    links = {"X-Forwarded-Host": here.netloc, "X-Forwarded-Proto": here.scheme} if here.netloc else {}
    query = request.query_string.decode("ascii", "replace")
    try:
        answer = calls.ask("GET", f"/ledger?{query}", calls.deadline(), links)
    except Unclear as error:
        raise TryAgain(f"The payment provider does not show its ledger: {error}; try again.") from error
    if answer.status != 200:  # noqa: PLR2004
        raise calls.refused(answer)
    return hal.answer(answer.body)
