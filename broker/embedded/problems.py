"""Refusals of the broker and of the board as problem documents (RFC 9457)."""

import json
from http import HTTPStatus

from aiohttp import web


def problem(status: HTTPStatus, detail: str) -> web.Response:
    """`detail` says what is wrong in one sentence."""
    document = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    return web.Response(
        status=status, body=json.dumps(document).encode(), headers={"content-type": "application/problem+json"}
    )
