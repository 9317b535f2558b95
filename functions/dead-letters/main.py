"""The functions of dead-letters: wiring only. letters.py has what is kept, replay.py sends it again."""

from choreography import serving

serving.begin()
# ruff: noqa: E402 - what follows is most of a start

from http import HTTPStatus

import functions_framework
from flask import Request, Response
from flask.typing import ResponseReturnValue

import letter_figures
import retention
import settled_letters
import sink
from airline.events import AIRLINE
from airline.settings import settings
from choreography import figures, policy

serving.prepare(settings)


@functions_framework.http
def dead_letters(request: Request) -> ResponseReturnValue:
    """The dead-letter sink (POST /), always answered with an empty 204; and HTTP for those who decide."""
    if request.method == "POST" and request.path == "/":
        return _pruned(policy.observe(request, sink.keep, sagas=AIRLINE))
    import letters_api  # noqa: PLC0415 - which the policies need not import at their start
    from choreography import web  # noqa: PLC0415 - as above

    return web.serve(letters_api.app, request)


@functions_framework.http
def settle_letters(request: Request) -> ResponseReturnValue:
    """SagasSettled -> nothing."""
    return _pruned(policy.reply(request, settled_letters.settle_letters, settled_letters.SOURCE))


def _pruned(answer: Response) -> Response:
    # otherwise the database may be away, and a caller must not wait for it twice
    if answer.status_code == HTTPStatus.NO_CONTENT:
        retention.prune()
        figures.tell(letter_figures.look)
    return answer
