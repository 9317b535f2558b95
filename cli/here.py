"""The airline that a command means if none is named: the one that runs in this checkout."""

from http import HTTPStatus
from pathlib import Path

import requests

from client import gateway, token_file
from client.errors import Unreachable
from client.gateway import Airline, open_session
from laptop.data_folder import is_running, read_state
from laptop.systems import data_of

DATA = data_of()
DEFAULT_URL = "http://127.0.0.1:8088"


def connect(url: str | None = None, host_header: str | None = None, data: Path = DATA) -> Airline:
    """The airline at `url`; without one, the one that runs in this checkout, whose data folder is `data`.

    Who has signed in there, or has a token in AIRLINE_TOKEN, shows it.
    Raises Unreachable if nothing runs, rather than call somebody else's, and Refused for what is not a URL.
    """
    return token_file.show(gateway.connect(url or _url_here(data), host_header))


def _url_here(data: Path) -> str:
    """Where the laptop says its gateway is, as long as it runs. Raises Unreachable."""
    if is_running(data):
        if url := (read_state(data) or {}).get("gateway"):
            return str(url)
        raise Unreachable(f"The airline of {data.parent} is not open yet; try again in a moment.")
    sentence = f"Nothing runs in {data.parent}: make run starts it, --url or AIRLINE_URL names another airline."
    if _answers(DEFAULT_URL):
        sentence += f" The one that answers at {DEFAULT_URL} is not of this folder: --url {DEFAULT_URL} if it is meant."
    raise Unreachable(sentence)


def _answers(url: str) -> bool:
    try:
        return open_session(url).get(f"{url}/healthz", timeout=1).status_code == HTTPStatus.NO_CONTENT
    except requests.RequestException:
        return False
