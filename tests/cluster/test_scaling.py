"""Scale from zero: a burst of reservations against functions that are all asleep."""

from demos import scale_to_zero
from demos.scale_to_zero import Wish
from tests.cluster.installation import Installation


def test_a_burst_on_sleeping_functions_loses_and_doubles_nothing(installation: Installation) -> None:
    course = scale_to_zero.run(installation.place, Wish(customers=10, seats=7), print)
    assert course.statuses == {"SUCCEED": 7, "CANCELED": 3}
    woken = {instance.function for instance in course.instances}
    assert {"decrease-seats", "charge-payment", "confirm-reservation", "project-dashboard"} <= woken
    installation.figures["a burst from zero"] = "\n" + scale_to_zero.told(course)
