"""Pages that a browser shows can reach the embedded broker's port, and are refused. Programs are not."""

import uuid

import pytest
import requests

from tests.broker.contract import binary_headers
from tests.broker.processes import Start

PAGES = [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
FORMS = ["text/plain;charset=UTF-8", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]


def test_a_page_makes_no_event_and_replays_none(embedded: Start, recorder_url: str) -> None:
    broker = embedded(recorder_url)
    event = binary_headers(uuid.uuid4().hex, "contract.plain")

    for page in PAGES:
        for path in ("/airline-contract/contract", "/-/kept/1/replay"):
            assert requests.post(broker.url(path), headers=event | page, data=b"{}", timeout=10).status_code == 403
    for form in FORMS:
        answer = requests.post(broker.url("/-/kept/1/replay"), headers={"Content-Type": form}, timeout=10)
        assert answer.status_code == 415
    assert requests.get(broker.url("/-/status"), timeout=10).json()["events"] == 0


@pytest.mark.parametrize(("host", "status"), [("evil.example", 421), ("localhost:1", 202), ("127.0.0.1", 202)])
def test_the_broker_answers_to_the_names_of_this_machine(
    embedded: Start, recorder_url: str, host: str, status: int
) -> None:
    broker = embedded(recorder_url)
    event = binary_headers(uuid.uuid4().hex, "contract.plain") | {"Host": host}
    assert requests.post(broker.url(), headers=event, data=b"{}", timeout=10).status_code == status
