"""The function that the contract suite puts behind every Trigger: it records what it gets, and answers as asked.

    POST /<place>       one delivery. The event's data may hold {"<place>": [answer, ...]}: the first delivery of this
                        event at this place gets the first answer, and so on; the last one is used for all later ones.
                        answer: {"status": 204, "headers": {}, "body": "", "times": 1, "delay": seconds}, where times
                        repeats the body. Without an answer: 204.
    GET  /deliveries?id=ID[&place=PLACE][&count=N&wait=S]
                        what came for the event, oldest first; waits up to S seconds for N of them.
                        [{"place", "at": unix time, "headers": {lower-case name: value}, "body": base64}]
                        ID is the attribute, `headers` are as they came

Keeps everything in memory: run exactly one instance, with many threads, since a delay holds one.
"""

import base64
import json
import threading
import time
from collections import defaultdict
from typing import Any

import flask
import functions_framework

from choreography import attributes, serving

serving.read_by_our_worker()

_deliveries: dict[str, list[dict[str, Any]]] = defaultdict(list)
_changed = threading.Condition()


@functions_framework.http
def record(request: flask.Request) -> flask.Response:
    if request.method == "GET":
        return _tell(request) if request.path == "/deliveries" else flask.Response(status=204)
    place = request.path.removeprefix("/")
    answer = _answer(place, _remember(place, request), request.get_data())
    time.sleep(answer.get("delay", 0))
    response = flask.Response(
        answer.get("body", "") * answer.get("times", 1), status=answer.get("status", 204), mimetype="text/plain"
    )
    if not answer.get("body"):
        del response.headers["content-type"]
    response.headers.update(answer.get("headers", {}))
    return response


def _remember(place: str, request: flask.Request) -> int:
    """The number of deliveries of the same event at the same place before this one."""
    delivery = {
        "place": place,
        "at": time.time(),
        "headers": {name.lower(): value for name, value in request.headers},
        "body": base64.b64encode(request.get_data()).decode(),
    }
    with _changed:
        same_event = _deliveries[attributes.decoded(request.headers.get("ce-id", ""))]
        before = len([each for each in same_event if each["place"] == place])
        same_event.append(delivery)
        _changed.notify_all()
    return before


def _answer(place: str, before: int, body: bytes) -> dict[str, Any]:
    try:
        script = json.loads(body)
    except ValueError:
        return {}  # no script: the test only looks at what came
    answers = script.get(place) if isinstance(script, dict) else None
    return answers[min(before, len(answers) - 1)] if answers else {}


def _tell(request: flask.Request) -> flask.Response:
    event_id, place = request.args["id"], request.args.get("place")
    count, wait = request.args.get("count", 0, int), request.args.get("wait", 0.0, float)

    def found() -> list[dict[str, Any]]:
        return [each for each in _deliveries.get(event_id, []) if place in {None, each["place"]}]

    with _changed:
        _changed.wait_for(lambda: len(found()) >= count, timeout=wait)
        return flask.Response(json.dumps(found()), mimetype="application/json")
