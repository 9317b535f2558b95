"""Which Triggers an event goes to."""

import pytest

from tests.broker.contract import Contract

TRIGGERS = [
    "filter-attributes",
    "filter-exact",
    "filter-prefix",
    "filter-suffix",
    "filter-any",
    "filter-all",
    "filter-not",
    "filters-override-filter",
]
CASES = {
    "red order 7, big": (
        {"colour": "red", "size": "big", "subject": "orders/7"},
        {"filter-attributes", "filter-exact", "filter-prefix", "filter-suffix", "filter-any", "filter-all"},
    ),
    "red without a subject": ({"colour": "red"}, {"filter-attributes", "filter-any"}),
    "blue bill 7": ({"colour": "blue", "subject": "bills/7"}, {"filter-suffix", "filter-any", "filter-not"}),
    "green order 8": ({"colour": "green", "subject": "orders/8"}, {"filter-prefix", "filter-not"}),
    "no colour": ({}, {"filter-not"}),
}


@pytest.mark.parametrize(("extensions", "wanting"), CASES.values(), ids=CASES)
def test_an_event_goes_to_the_triggers_whose_filter_wants_it(
    contract: Contract, extensions: dict[str, str], wanting: set[str]
) -> None:
    event_id = contract.publish("contract.filtered", **extensions)

    for place in {*wanting, "filters-override-filter", "everything"}:
        contract.deliveries(event_id, place, 1)
    for place in set(TRIGGERS) - wanting - {"filters-override-filter"}:
        contract.only_deliveries(event_id, place, 0, quiet=0.1)


def test_an_event_of_another_type_goes_to_the_unfiltered_trigger_only(contract: Contract) -> None:
    event_id = contract.publish("contract.never")

    contract.deliveries(event_id, "everything", 1)
    for place in TRIGGERS:
        contract.only_deliveries(event_id, place, 0, quiet=0.1)
