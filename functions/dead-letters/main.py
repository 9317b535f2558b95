"""The function of dead-letters: wiring only. What is kept of a letter is in letters.py."""

import functions_framework
from flask import Request
from flask.typing import ResponseReturnValue

import letters
import letters_api
from airline import policy, web


@functions_framework.http
def dead_letters(request: Request) -> ResponseReturnValue:
    """The dead-letter sink (POST /), always answered with an empty 204; and HTTP to read what it keeps."""
    if request.method == "POST" and request.path == "/":
        return policy.observe(request, letters.keep)
    return web.serve(letters_api.app, request)
