"""What only the embedded broker promises: acknowledged means on disk, through kills, restarts and a full disk."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from testbed.ports import free_port
from tests.broker.contract import Contract, reply
from tests.broker.processes import QUICK, ROOT, EmbeddedBroker, Start, trigger, wait_until_answering

PATIENT = {"retry": 1000, "backoffPolicy": "linear", "backoffDelay": "PT0.001S", "timeout": "PT5S"}


def contract_of(broker: EmbeddedBroker, recorder_url: str) -> Contract:
    return Contract(broker.url(), "Kafka", recorder_url)


def nobody() -> str:
    return f"http://127.0.0.1:{free_port()}"


def publish_many(contract: Contract, count: int, script: Any = None) -> list[str]:
    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(lambda _: contract.publish("contract.plain", script), range(count)))


def test_acknowledged_events_survive_a_kill(embedded: Start, recorder_url: str) -> None:
    broker = embedded(nobody(), trigger("survivor", PATIENT))
    events = publish_many(contract_of(broker, recorder_url), 120)
    assert broker.figures("airline-contract/survivor")["backlog"] == 120
    broker.stop(signal.SIGKILL)

    broker = embedded(recorder_url, trigger("survivor", PATIENT))

    for event_id in events:
        contract_of(broker, recorder_url).deliveries(event_id, "survivor", 1)


def test_a_kill_repeats_no_more_than_was_in_flight_and_loses_no_reply(embedded: Start, recorder_url: str) -> None:
    reply_id = uuid.uuid4().hex
    policy = trigger("policy", PATIENT, filter={"attributes": {"type": "contract.plain"}})
    listener = trigger("listener", PATIENT, filter={"attributes": {"type": "contract.reply"}})
    broker = embedded(recorder_url, policy, listener)
    contract = contract_of(broker, recorder_url)
    events = publish_many(contract, 150, {"policy": [{**reply(reply_id), "delay": 0.05}]})
    broker.stop(signal.SIGKILL)

    broker = embedded(recorder_url, policy, listener)

    times = [len(contract.deliveries(event_id, "policy", 1)) for event_id in events]
    replies = len(contract.deliveries(reply_id, "listener", len(events)))
    assert sum(times) - len(events) <= 50
    assert replies <= len(events) + 50


def test_a_stopped_broker_goes_on_where_it_was(embedded: Start, recorder_url: str) -> None:
    broker = embedded(recorder_url, trigger("steady", QUICK))
    contract = contract_of(broker, recorder_url)
    events = publish_many(contract, 20)
    for event_id in events:
        contract.deliveries(event_id, "steady", 1)
    assert broker.stop() == 0

    broker = embedded(recorder_url, trigger("steady", QUICK))

    later = contract_of(broker, recorder_url).publish("contract.plain")
    contract.deliveries(later, "steady", 1)
    assert [len(contract.only_deliveries(event_id, "steady", 1)) for event_id in events] == [1] * 20
    assert broker.figures("airline-contract/steady")["backlog"] == 0


def test_a_new_trigger_begins_at_the_newest_event(embedded: Start, recorder_url: str) -> None:
    broker = embedded(recorder_url, trigger("first", QUICK))
    early = contract_of(broker, recorder_url).publish("contract.plain")
    broker.stop()

    contract = contract_of(embedded(recorder_url, trigger("first", QUICK), trigger("second", QUICK)), recorder_url)

    late = contract.publish("contract.plain")
    contract.deliveries(late, "second", 1)
    contract.only_deliveries(early, "second", 0)


def test_a_full_disk_refuses_events_and_loses_none(embedded: Start, recorder_url: str) -> None:
    broker = embedded(nobody(), trigger("careful", PATIENT), options=("--max-bytes", "800000"))
    contract = contract_of(broker, recorder_url)
    taken = []
    while (answer := _publish_4kb(contract, event_id := uuid.uuid4().hex)).status_code == 202:
        taken.append(event_id)
    assert answer.status_code == 503
    broker.stop(signal.SIGKILL)

    broker = embedded(recorder_url, trigger("careful", PATIENT), options=("--max-bytes", "800000"))

    contract = contract_of(broker, recorder_url)
    assert len(taken) > 50
    for event_id in taken:
        contract.deliveries(event_id, "careful", 1)
    assert _publish_4kb(contract, uuid.uuid4().hex).status_code == 202, "finished events give way"


def test_a_reply_that_finds_the_disk_full_is_not_lost(embedded: Start, recorder_url: str) -> None:
    policy = trigger("replier", PATIENT, filter={"attributes": {"type": "contract.plain"}})
    listener = trigger("hearer", PATIENT, filter={"attributes": {"type": "contract.reply"}})
    broker = embedded(recorder_url, policy, listener, options=("--max-bytes", "400000"))
    contract, reply_id = contract_of(broker, recorder_url), uuid.uuid4().hex
    large_reply = {**reply(reply_id), "times": 3_000, "delay": 1}

    taken = 0
    while _publish_4kb(contract, uuid.uuid4().hex, {"replier": [large_reply]}).status_code == 202:
        taken += 1

    assert taken > 10
    contract.only_deliveries(reply_id, "hearer", taken)


def _publish_4kb(contract: Contract, event_id: str, script: Any = None) -> requests.Response:
    event = {"specversion": "1.0", "id": event_id, "source": "/contract", "type": "contract.plain"}
    data = {**(script or {}), "padding": "x" * 4000}
    return requests.post(
        contract.broker_url,
        headers={"content-type": "application/cloudevents+json"},
        data=json.dumps({**event, "data": data}),
        timeout=10,
    )


def test_an_event_nobody_takes_is_kept_and_shown(embedded: Start, recorder_url: str) -> None:
    sink = {"ref": {"kind": "Service", "name": "recorder"}, "uri": "/sink"}
    triggers = [trigger("without-sink", QUICK), trigger("with-bad-sink", {**QUICK, "deadLetterSink": sink})]
    broker = embedded(recorder_url, *triggers)
    contract = contract_of(broker, recorder_url)
    refusal = [{"status": 422, "body": "no"}]
    script = {"without-sink": refusal, "with-bad-sink": refusal, "sink": refusal}
    event_id = contract.publish("contract.plain", script)
    contract.deliveries(event_id, "sink", 1)
    contract.deliveries(event_id, "without-sink", 1)
    broker.stop()

    broker = embedded(recorder_url, *triggers)

    kept = requests.get(broker.url("/-/kept"), timeout=10).json()["kept"]
    assert {each["trigger"] for each in kept} == {"airline-contract/without-sink", "airline-contract/with-bad-sink"}
    assert {each["event"]["id"] for each in kept} == {event_id}
    assert kept[0]["event"]["data"] == script
    assert kept[0]["event"]["knativeerrorcode"] == "422"
    assert any("dead-letter sink: status 422" in each["reason"] for each in kept)
    assert broker.figures("airline-contract/without-sink")["kept"] == 1
    contract_of(broker, recorder_url).only_deliveries(event_id, "sink", 1)


def test_at_most_fifty_events_of_a_trigger_are_in_flight(embedded: Start, recorder_url: str) -> None:
    broker = embedded(recorder_url, trigger("crowded", {**QUICK, "retry": 1, "backoffDelay": "PT1S"}))
    contract = contract_of(broker, recorder_url)
    first = publish_many(contract, 50, {"crowded": [{"status": 503}, {"status": 204}]})
    last = contract.publish("contract.plain")

    figures = broker.figures("airline-contract/crowded")
    assert (figures["backlog"], figures["inFlight"]) == (51, 50)
    (at_last,) = contract.deliveries(last, "crowded", 1)
    assert at_last.at > min(contract.deliveries(event_id, "crowded", 2)[1].at for event_id in first)


def test_a_passed_socket_is_used(tmp_path: Path) -> None:
    manifests = tmp_path / "broker.yaml"
    manifests.write_text(
        json.dumps({"kind": "Broker", "metadata": {"namespace": "airline-contract", "name": "contract"}})
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd, port = listener.fileno(), listener.getsockname()[1]
        arguments = [
            sys.executable,
            "-m",
            "broker.embedded",
            "--triggers",
            str(manifests),
            "--data",
            str(tmp_path / "broker.db"),
        ]
        starter = (
            f"import os, sys; os.dup2({fd}, 3); os.set_inheritable(3, True)\n"
            "os.environ |= {'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid())}; os.execv(sys.argv[1], sys.argv[1:])"
        )
        command = [sys.executable, "-c", starter, *arguments]
        with subprocess.Popen(command, pass_fds=(fd,), cwd=ROOT) as process:
            wait_until_answering(f"http://127.0.0.1:{port}/healthz", process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0


def test_the_end_of_its_input_stops_the_broker_where_asked_for(tmp_path: Path) -> None:
    manifests, port = tmp_path / "broker.yaml", free_port()
    manifests.write_text(
        json.dumps({"kind": "Broker", "metadata": {"namespace": "airline-contract", "name": "contract"}})
    )
    command = [sys.executable, "-m", "broker.embedded", "--triggers", str(manifests), "--port", str(port)]
    command += ["--data", str(tmp_path / "broker.db"), "--stop-at-end-of-input"]

    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT) as process:
        wait_until_answering(f"http://127.0.0.1:{port}/healthz", process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=10) == 0


def test_a_manifest_that_cannot_be_served_ends_the_start_with_the_reason(tmp_path: Path) -> None:
    manifests = tmp_path / "triggers.yaml"
    broker = {"kind": "Broker", "metadata": {"namespace": "airline-contract", "name": "contract"}}
    cesql = trigger("clever", QUICK, filters=[{"cesql": "type = 'x'"}])
    manifests.write_text(f"{json.dumps(broker)}\n---\n{json.dumps(cesql)}")
    command = [
        sys.executable,
        "-m",
        "broker.embedded",
        "--triggers",
        str(manifests),
        "--service",
        "recorder=http://127.0.0.1:1",
    ]

    ended = subprocess.run(
        [*command, "--data", str(tmp_path / "broker.db")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert ended.returncode == 2
    assert re.search("Trigger airline-contract/clever: cesql is not supported", ended.stderr)
    assert not os.path.exists(tmp_path / "broker.db")
