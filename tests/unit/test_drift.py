"""Functions, Services, Triggers, the glossary and the documented event table say the same."""

import ast
import importlib
import re
from collections.abc import Callable
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Any

import pytest

import projection
from airline import events, saga
from airline.saga import Road
from choreography import policy
from testbed.project import (
    ROOT,
    Manifest,
    documented_events,
    env,
    folder_of,
    folders_of_the_saga,
    functions,
    glossary,
    heard_by,
    heard_type,
    is_frozen_dataclass,
    optional,
    targets,
    triggers,
    wiring,
)

WAKES = events.AIRLINE.ahead  # no rule hears it: the wrappers answer it
SPEAKING = {"reply", "announce", "reply_in_steps"}  # the wrappers whose policies are heard

each_function = pytest.mark.parametrize("service", functions().values(), ids=str)
each_trigger = pytest.mark.parametrize("trigger", triggers().values(), ids=str)


def kebab(type_: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type_).lower()


def hearers(type_: str) -> set[str]:
    """The Services with a Trigger for exactly this type: those without a filter hear everything anyway."""
    return {heard_by(trigger) for trigger in triggers().values() if heard_type(trigger) == type_}


def name_of(word: type[events.Event]) -> str:
    return word.__name__


def rule(name: str) -> Callable[..., Any]:
    """The function behind "module.name"; the modules of all folders have different names."""
    module, _, attribute = name.partition(".")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found


def dialogue() -> dict[str, tuple[set[str], set[str]]]:
    """By Service, what its policy hears and what it says, both from the signatures of its rules."""
    wired = {name: wiring(service) for name, service in functions().items()}
    speaking = {name: found.rules for name, found in wired.items() if found and found.wrapper in SPEAKING}
    return {name: (set(policy.hears(rule(rules[0]))), policy.says(rule(rules[-1]))) for name, rules in speaking.items()}


@each_function
def test_a_service_runs_the_target_of_its_name(service: Manifest) -> None:
    target = service.name.replace("-", "_")

    assert env(service)["FUNCTION_TARGET"] == target
    assert target in targets(folder_of(service))


@pytest.mark.parametrize("folder", folders_of_the_saga())
def test_every_target_has_a_service(folder: str) -> None:
    services = [*functions().values(), *optional().values()]
    served = {env(service)["FUNCTION_TARGET"] for service in services if folder_of(service) == folder}

    assert set(targets(folder)) == served


def test_every_image_has_a_folder_and_every_folder_an_image() -> None:
    assert {folder_of(service) for service in functions().values()} == set(folders_of_the_saga())


@each_trigger
def test_a_trigger_is_named_after_its_service_and_what_it_hears(trigger: Manifest) -> None:
    assert trigger.name == f"{heard_by(trigger)}-on-{kebab(heard_type(trigger) or 'EveryEvent')}"


def test_triggers_hear_only_words_of_the_glossary() -> None:
    heard = {type_ for trigger in triggers().values() if (type_ := heard_type(trigger))}

    assert heard
    assert heard <= set(glossary())


def test_the_triggers_of_a_policy_are_what_its_rule_hears() -> None:
    by_trigger = {
        name: {heard_type(trigger) for trigger in triggers().values() if heard_by(trigger) == name} - {WAKES}
        for name in functions()
    }

    assert {name: heard for name, (heard, _) in dialogue().items()} == {
        name: heard for name, heard in by_trigger.items() if heard and None not in heard
    }


def test_the_saga_is_what_the_rules_of_the_policies_hear_and_say() -> None:
    drawn = {policy.name: (set(map(name_of, policy.hears)), set(map(name_of, policy.says))) for policy in saga.POLICIES}

    assert drawn == dialogue()


def test_the_saga_names_the_road_that_each_policy_takes() -> None:
    roads = {name: found.wrapper == "announce" for name, service in functions().items() if (found := wiring(service))}

    for drawn in saga.POLICIES:
        assert roads[drawn.name] == (drawn.road is Road.OUTBOX), drawn.name
        assert bool(drawn.says) == (drawn.road is not Road.NONE), drawn.name


def test_every_other_speaker_of_the_saga_is_a_function_without_triggers() -> None:
    speakers = set(saga.SPEAKERS) - {saga.OUTSIDE}

    assert speakers <= set(functions())
    assert not speakers & {heard_by(trigger) for trigger in triggers().values()}


def test_the_triggers_that_wake_ahead_lead_to_what_the_saga_needs_after_whoever_says_so() -> None:
    by_trigger = {
        heard_by(trigger): trigger.spec["filter"]["attributes"].get("source")
        for trigger in triggers().values()
        if heard_type(trigger) == WAKES
    }
    saying = saga.said_by(events.SagaExpected)
    expecting = {
        policy.name: [name for name in saying if policy.name in saga.needed_after(name)] for policy in saga.POLICIES
    }

    assert set(by_trigger) == set(saga.heard_by(events.SagaExpected))
    for name, source in by_trigger.items():
        said_by = saying if source is None else [source.removeprefix(events.AIRLINE.sources)]
        assert said_by == expecting[name], name


def test_what_a_saga_needs_is_the_road_to_its_success() -> None:
    road = ["place-reservation", "decrease-seats", "charge-payment", "confirm-reservation"]

    assert saga.needed_after("reserve-commands") == road
    assert saga.needed_after("reserve") == saga.needed_after("place-reservation") == road[1:]


def test_a_policy_that_begins_sagas_says_so_at_its_start() -> None:
    (call,) = [
        node
        for node in ast.walk(ast.parse((ROOT / "functions" / "reserve" / "main.py").read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "ahead.at_start"
    ]

    policies = {name for name, service in functions().items() if wiring(service)}
    assert set(map(ast.literal_eval, call.args[1:])) == set(saga.said_by(events.SagaExpected)) & policies


def test_a_policy_is_undone_after_it_was_done() -> None:
    forward = {drawn.name: drawn for drawn in saga.FORWARD}

    assert {drawn.undoes for drawn in saga.COMPENSATION} == {"decrease-seats", "charge-payment"} <= set(forward)
    assert all(drawn.hears == (events.ReservationCanceled,) for drawn in saga.COMPENSATION)


def test_the_dashboard_knows_a_fact_for_each_step_and_each_compensation_of_a_saga() -> None:
    undoing = {word for drawn in saga.COMPENSATION for word in drawn.says}

    assert set(projection.FACTS) == {*saga.SUCCESS, *undoing}


def test_each_event_of_a_success_is_an_answer_to_the_one_before() -> None:
    for cause, answer in pairwise(saga.SUCCESS):
        assert [name for name in saga.heard_by(cause) if name in saga.said_by(answer)], (cause, answer)
    assert saga.SUCCESS[-1] is saga.ENDS["SUCCEED"]


def test_the_page_knows_the_steps_of_the_saga() -> None:
    page = (ROOT / "gateway" / "web" / "trip-state.js").read_text("utf-8")
    steps = re.findall(r'^  \["\w+", \["(\w+)"\], \[(?:"(\w+)")?\]\],$', page, re.MULTILINE)
    back = re.findall(r'^const \w+_BACK = \["(\w+)", "(\w+)"\];$', page, re.MULTILINE)
    (cancel,) = [drawn for drawn in saga.POLICIES if drawn.name == "cancel-reservation"]
    refusals = [word for word in cancel.hears if word in events.OF_SAGAS.values()]

    assert [done for done, _ in steps] == list(map(name_of, saga.SUCCESS))
    assert [failed for _, failed in steps if failed] == list(map(name_of, refusals))
    assert back == [tuple(map(name_of, drawn.says)) for drawn in saga.COMPENSATION]


@pytest.mark.parametrize(
    ("type_", "cause", "function"),
    [
        ("ReservationPlaced", None, "reserve"),
        ("ReservationPlaced", "ReservationRequested", "place-reservation"),
        ("SeatsSoldOut", "ReservationPlaced", "decrease-seats"),
        ("SeatsSoldOut", None, "decrease-seats"),
        ("ReservationCanceled", "SeatsSoldOut", "cancel-reservation"),
        ("ReservationCanceled", "Paid", "confirm-reservation"),
        ("ReservationCanceled", None, "reserve"),
        ("TicketPrinted", "ReservationConfirmed", "TicketPrinted"),
    ],
)
def test_who_said_an_event_follows_from_its_cause(type_: str, cause: str | None, function: str) -> None:
    assert saga.speaker(type_, cause) == function


def test_only_the_dashboard_hears_everything() -> None:
    unfiltered = [heard_by(trigger) for trigger in triggers().values() if heard_type(trigger) is None]

    assert unfiltered == ["project-dashboard"]


@pytest.mark.parametrize("name", ["project-dashboard", "dead-letters"])
def test_who_is_sent_everything_never_replies(name: str) -> None:
    # the reply would come back to the one who made it, or fail again, for ever
    found = wiring(functions()[name])

    assert found
    assert found.wrapper == "observe"


def test_housekeeping_is_wired_to_bear_lost_and_doubled_ticks() -> None:
    ticked = {name for name, service in functions().items() if (found := wiring(service)) and found.wrapper == "tidy"}

    assert ticked == {name for name in functions() if name.endswith("-housekeeping")}


def test_the_words_of_the_glossary_are_frozen_dataclasses() -> None:
    assert [name for name, node in glossary().items() if not is_frozen_dataclass(node)] == []


def test_the_readme_documents_exactly_the_words_of_the_glossary() -> None:
    assert set(documented_events()) == set(glossary())


@pytest.mark.parametrize("type_", glossary())
def test_the_readme_names_who_hears_a_word(type_: str) -> None:
    assert documented_events()[type_].heard_by == hearers(type_)


@pytest.mark.parametrize("type_", glossary())
def test_the_readme_names_who_says_a_word(type_: str) -> None:
    assert documented_events()[type_].said_by == set(saga.said_by(events.BY_TYPE[type_]))


def test_no_reply_leads_back_to_what_caused_it() -> None:
    # the Kafka broker has no time to live: a circle of Triggers and replies would turn for ever
    causes: dict[str, set[str]] = {}
    for hears, says in dialogue().values():
        for said in says:
            causes.setdefault(said, set()).update(hears)

    TopologicalSorter(causes).prepare()


def test_both_readmes_say_how_many_functions_there_are() -> None:
    assert f"{len(functions())} Python functions" in (ROOT / "README.md").read_text("utf-8")
    assert f"{len(functions())}개의 파이썬 함수" in (ROOT / "README.ko.md").read_text("utf-8")


def test_the_korean_readme_has_the_same_table_of_events() -> None:
    def rows(page: str) -> list[str]:
        return re.findall(r"^\| `[A-Z]\w+` \|.*", (ROOT / page).read_text("utf-8"), re.MULTILINE)

    assert rows("README.md")
    assert [row.replace("바깥", "`outside`") for row in rows("README.ko.md")] == rows("README.md")
