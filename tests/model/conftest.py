"""The rules of all services, in memory, as the unit tests have them."""

from tests.unit.conftest import environment

__all__ = ["environment"]
