"""The rules of every service hold on each real database: these are the unit tests of the rules."""

from tests.unit.test_payments import *  # noqa: F403
from tests.unit.test_projection import *  # noqa: F403
from tests.unit.test_reservations import *  # noqa: F403
from tests.unit.test_seats import *  # noqa: F403
