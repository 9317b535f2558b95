"""What is made from the code is what the code says now."""

import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from airline import saga
from airline.events import BY_TYPE
from broker.embedded.yaml_documents import yaml_documents
from choreography.events import schema_of
from contracts import __main__ as contracts
from contracts import compatibility, diagram, openapi, openapi_compatibility
from testbed.project import EVENTING, ROOT, of_kind

ONE_ORDER = (ROOT / "docs" / "one-order.md").read_text("utf-8")


def test_every_file_that_is_made_from_the_code_is_current() -> None:
    assert contracts.old() == [], "run `make contracts` and commit what it writes"


def test_the_steps_of_one_order_name_functions_that_are_in_their_files() -> None:
    steps = re.findall(r"^\d\. .*?(?=^\d\. |^\S)", ONE_ORDER, re.MULTILINE | re.DOTALL)

    assert len(steps) == 8
    for step in steps:
        for names, file in re.findall(r"((?:`\w+`(?:,| and|\s)*)+) in\s+\[[\w.]+\]\(\.\./([^)]+)\)", step):
            source = (ROOT / file).read_text("utf-8")
            missing = [name for name in re.findall(r"`([a-z_]+)`", names) if f"def {name}(" not in source]
            assert missing == [], file


def test_every_step_of_one_order_names_a_function_of_the_code() -> None:
    named = re.findall(r"`(\w+)`\s+in\s+\[", ONE_ORDER)

    assert named == [
        "place", "commit", "decrease_seats", "decrease_remaining_seats",
        "record_charge", "confirm_reservation", "project", "settle_reservations",
    ]  # fmt: skip


def test_one_order_is_drawn_as_the_saga_goes() -> None:
    drawn = re.findall(r"->>Broker: (\w+)$", ONE_ORDER, re.MULTILINE)
    heard = re.findall(r"Broker->>([\w-]+): (\w+)$", ONE_ORDER, re.MULTILINE)

    assert drawn[0] == "ReservationPlaced"
    assert drawn[-1] in {word.__name__ for word in saga.ENDS.values()}
    for cause, effect in pairwise(drawn):
        (policy,) = [one for one in saga.POLICIES if BY_TYPE[cause] in one.hears]
        assert BY_TYPE[effect] in policy.says
        assert (policy.name, cause) in heard


def test_a_release_records_what_there_is_now_and_nothing_that_is_gone(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "contracts" / "events", tmp_path / "contracts" / "events")
    (tmp_path / "functions").symlink_to(ROOT / "functions")
    schemas, documents = tmp_path / compatibility.RELEASED, tmp_path / openapi_compatibility.RELEASED
    for folder in (schemas, documents):
        folder.mkdir(parents=True)
        (folder / "Forgotten.json").write_text("{}", encoding="utf-8")

    contracts.release(tmp_path)

    assert {path.stem for path in schemas.iterdir()} == {*BY_TYPE}
    assert {path.name for path in documents.iterdir()} == {path.name for path, _ in openapi.made(ROOT)}


@pytest.mark.parametrize(
    ("what", "without"), [("the diagram", r"<!-- end -->"), ("the table of events", r"(?m)^\| `\w+` \|.*\n")]
)
def test_a_page_without_a_place_for_what_is_made_says_so(tmp_path: Path, what: str, without: str) -> None:
    for name in diagram.OUTSIDE_IN:
        text = (ROOT / name).read_text("utf-8")
        (tmp_path / name).write_text(re.sub(without, "", text), "utf-8")

    with pytest.raises(ValueError, match=rf"README\.md has no place for {what}"):
        list(diagram.made(tmp_path))


def test_a_row_that_is_missing_or_wrong_in_the_table_of_events_is_made_again(tmp_path: Path) -> None:
    for name in diagram.OUTSIDE_IN:
        text = (ROOT / name).read_text("utf-8").replace("| `Paid` | `charge-payment`", "| `Paid` | `reserve`")
        (tmp_path / name).write_text(re.sub(r"(?m)^\| `SeatsSoldOut` .*\n", "", text), "utf-8")

    assert {str(path): text for path, text in diagram.made(tmp_path)} == {
        name: (ROOT / name).read_text("utf-8") for name in diagram.OUTSIDE_IN
    }


def test_the_asyncapi_document_has_an_operation_for_each_policy_and_a_message_for_each_event() -> None:
    (document,) = yaml_documents(ROOT / "docs" / "asyncapi.yaml")

    assert {policy.name for policy in saga.POLICIES} <= document["operations"].keys()
    assert document["channels"]["broker"]["messages"].keys() == BY_TYPE.keys()


def test_a_file_that_is_old_is_named_with_the_command_that_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contracts, "made", lambda: {Path("docs/asyncapi.yaml"): "other"})

    assert contracts.main(["--check"]) == 1
    assert "docs/asyncapi.yaml differs from the code: run `make contracts`" in capsys.readouterr().err
    assert contracts.write(tmp_path) == ["docs/asyncapi.yaml"]
    assert contracts.old(tmp_path) == []


def test_an_event_type_has_the_attributes_that_knatives_webhook_asks_for() -> None:
    # knative/eventing, pkg/apis/eventing/v1beta3/eventtype_validation.go; without one of them nothing can be deployed
    found = of_kind("EventType", "eventing.knative.dev/v1beta3")

    assert len(found) == len(BY_TYPE)
    for each in found.values():
        values = {attribute["name"]: attribute["value"] for attribute in each.spec["attributes"]}
        assert {"type", "source", "specversion", "id"} <= values.keys()
        assert values["dataschema"] == schema_of(BY_TYPE[values["type"]])
        assert each.spec["reference"] == {"apiVersion": EVENTING, "kind": "Broker", "name": "airline"}
