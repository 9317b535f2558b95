"""Scale from zero and scale by CPU, the two ways side by side."""

import pytest

from demos import hpa, scale_to_zero
from demos.load import Load
from demos.scale_to_zero import Burst
from tests.cluster.installation import Installation


def test_a_burst_on_sleeping_functions_loses_and_doubles_nothing(installation: Installation) -> None:
    result = scale_to_zero.run(installation.running, Burst(customers=10, seats=7), print)
    assert result.statuses == {"SUCCEED": 7, "CANCELED": 3}
    woken = {instance.function for instance in result.instances}
    assert {"decrease-seats", "charge-payment", "confirm-reservation", "project-dashboard"} <= woken
    installation.figures["a burst from zero"] = "\n" + scale_to_zero.as_text(result)


def test_load_brings_more_instances_of_an_http_function_and_quiet_takes_them_away(installation: Installation) -> None:
    if hpa.FUNCTION in installation.running.sleepers:
        pytest.skip(f"overlay {installation.overlay} has no component hpa")
    result = hpa.run(installation.running, installation.namespace, Load(clients=20, seconds=40), print)
    assert result.most > 1
    installation.figures["scale by cpu"] = "\n" + hpa.as_text(result)
