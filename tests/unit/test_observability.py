"""Rules and dashboards are as the code makes them, and each alert fires when it should."""

import json
import shutil
import subprocess

import pytest
from promql_parser import parse

from broker.embedded.yaml_documents import yaml_documents
from observability.__main__ import FOLDER
from observability.dashboards import LINES, built, queries
from testbed.project import ROOT

ROOM = ROOT / "observability"
PROMTOOL = shutil.which("promtool")
RULES = yaml_documents(ROOM / "rules.yaml")[0]["groups"]


def test_the_dashboards_are_as_make_dashboards_writes_them() -> None:
    assert {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.json")} == built()


@pytest.mark.parametrize("query", queries())
def test_every_query_of_a_dashboard_is_promql(query: str) -> None:
    assert parse(query)


def test_the_dashboard_of_one_reservation_asks_for_a_field_of_every_log_line_about_it() -> None:
    schema = json.loads((ROOM / "log-line.schema.json").read_text("utf-8"))

    assert "reservationId" in schema["properties"]
    assert '| json | reservationId="$reservation"' in LINES


def test_every_alert_says_how_bad_it_is_what_happened_and_what_to_do() -> None:
    rules = [rule for group in RULES for rule in group["rules"]]

    assert rules
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert rule["annotations"].keys() == {"summary", "description"}, rule["alert"]


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    tested = (ROOM / "rules.test.yaml").read_text("utf-8")

    assert [rule["alert"] for group in RULES for rule in group["rules"] if rule["alert"] not in tested] == []


@pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (Debian and Ubuntu: apt-get install prometheus)"
)
def test_each_alert_fires_when_it_should_and_at_no_other_time() -> None:
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "rules.test.yaml"], cwd=ROOM, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
