"""docs/asyncapi.yaml (AsyncAPI 3.0): the Broker is one channel, each policy an operation, each event a message."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from airline import saga
from airline.events import AIRLINE, BY_TYPE, Command, SagaExpected
from airline.saga import Policy
from choreography import events, wire
from contracts import examples
from contracts.events import body, description

FILE = Path("docs/asyncapi.yaml")
HEAD = "# Made from airline/events.py and airline/saga.py by `make contracts`.\n"
CHANNEL = "broker"
TEXT = {"type": "string", "minLength": 1}
ENVELOPE = {
    "type": "object",
    "description": "A CloudEvent 1.0 in the structured mode. Brokers may add extensions of their own.",
    "required": ["specversion", "id", "source", "type", "time", "datacontenttype", "dataschema", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": TEXT | {"description": "The same fact has the same id, however often it is sent."},
        "source": TEXT,
        "type": TEXT,
        "subject": TEXT,
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": wire.JSON},
        "dataschema": {"type": "string", "format": "uri"},
        "partitionkey": TEXT | {"description": "Events of one saga keep their order."},
        "correlationid": TEXT | {"description": "The id of the saga."},
        "causationid": TEXT | {"description": "The id of the event that this one answers."},
        "authtype": TEXT
        | {"description": "Of a command from outside: what kind of sender was verified (Auth Context)."},
        "authid": TEXT | {"description": "Who gave the command: the subject of the token."},
        "traceparent": TEXT,
        "data": {"type": "object"},
    },
}


def made() -> Iterator[tuple[Path, str]]:
    """The file and its text."""
    yield FILE, HEAD + yaml.dump(document(), Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)


def document() -> dict[str, Any]:
    """The whole description."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Airline reservations",
            "version": "1.0.0",
            "description": "What the functions of the airline hear and say. None calls another: each event goes to the"
            " Broker, which delivers it to the Triggers of its type, at least once.",
        },
        "defaultContentType": wire.CLOUD_EVENT_JSON,
        "channels": {
            CHANNEL: {
                "address": None,
                "title": "The Broker",
                "description": "Its ingress takes events by POST; replies to deliveries come back into it.",
                "messages": {type_: _ref("components", "messages", type_) for type_ in BY_TYPE},
            }
        },
        "operations": dict(_operations()),
        "components": {
            "schemas": {"CloudEvent": ENVELOPE} | {type_: body(word) for type_, word in BY_TYPE.items()},
            "messages": {type_: _message(word) for type_, word in BY_TYPE.items()},
        },
    }


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    woken = saga.heard_by(SagaExpected)
    for policy in saga.POLICIES:
        yield policy.name, _receiving(policy)
        if policy.name in woken:
            yield f"{policy.name}-wakes", _waking(policy.name)
        if policy.says_ahead:
            yield f"{policy.name}-says-ahead", _sending(policy.name, policy.says_ahead)
        if policy.says and policy.road is saga.Road.OUTBOX:
            yield f"{policy.name}-says", _sending(policy.name, policy.says)
    for name, words in saga.SPEAKERS.items():
        yield f"{name}-says", _sending(name, words)


def _receiving(policy: Policy) -> dict[str, Any]:
    undoes = {"description": f"Undoes what {policy.undoes} did, once."} if policy.undoes else {}
    replies = policy.says and policy.road is saga.Road.REPLY
    return {
        "action": "receive",
        "title": policy.name,
        **undoes,
        "channel": _ref("channels", CHANNEL),
        "messages": _messages(policy.hears),
        **({"reply": {"channel": _ref("channels", CHANNEL), "messages": _messages(policy.says)}} if replies else {}),
    }


def _waking(name: str) -> dict[str, Any]:
    return {
        "action": "receive",
        "title": f"What wakes {name}",
        "channel": _ref("channels", CHANNEL),
        "messages": _messages((SagaExpected,)),
    }


def _sending(name: str, words: Iterable[saga.Word]) -> dict[str, Any]:
    return {
        "action": "send",
        "title": f"What {name} says",
        "channel": _ref("channels", CHANNEL),
        "messages": _messages(words),
    }


def _messages(words: Iterable[saga.Word]) -> list[dict[str, str]]:
    return [_ref("channels", CHANNEL, "messages", word.__name__) for word in words]


def _message(word: saga.Word) -> dict[str, Any]:
    own = {"type": {"const": word.__name__}, "dataschema": {"const": events.schema_of(word)}}
    data = {"data": _ref("components", "schemas", word.__name__)}
    return {
        "name": word.__name__,
        "title": word.__name__,
        "summary": description(word),
        "payload": {"allOf": [_ref("components", "schemas", "CloudEvent"), {"properties": own | data}]},
        "examples": [{"name": "example", "payload": _example(word)}],
    }


def _example(word: saga.Word) -> dict[str, Any]:
    identity = examples.VALUES["reservationId"]
    source = "/agency/7" if issubclass(word, Command) else f"{AIRLINE.sources}{saga.said_by(word)[0]}"
    return {
        "specversion": "1.0",
        "id": "order-1" if issubclass(word, Command) else AIRLINE.event_id(word.__name__, identity),
        "source": source,
        "type": word.__name__,
        "time": "2026-05-01T12:00:00.000Z",
        "datacontenttype": wire.JSON,
        "dataschema": events.schema_of(word),
        "subject": f"{AIRLINE.subjects}/{identity}",
        "data": examples.data(word),
    }


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}


class _Plain(yaml.SafeDumper):
    """Without anchors, so that each part can be read where it is."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the name is PyYAML's
        return True
