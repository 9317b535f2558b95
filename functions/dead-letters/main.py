"""The function of dead-letters: wiring only. letters.py has what is kept, decisions.py what is done about it."""

import functions_framework
from flask import Request
from flask.typing import ResponseReturnValue

import letters
import letters_api
from airline import policy, serving, web

serving.prepare()


@functions_framework.http
def dead_letters(request: Request) -> ResponseReturnValue:
    """The dead-letter sink (POST /), always answered with an empty 204; and HTTP for those who decide."""
    if request.method == "POST" and request.path == "/":
        return policy.observe(request, letters.keep)
    return web.serve(letters_api.app, request)
