"""How a function starts."""

import gc

import pytest

from choreography import serving


def wrong() -> None:
    raise ValueError("THREADS must be a whole number")


def test_a_start_looks_for_no_garbage_and_a_function_does_however_its_start_ends() -> None:
    serving.begin()
    assert not gc.isenabled()

    with pytest.raises(ValueError, match="THREADS"):
        serving.prepare(wrong)

    assert gc.isenabled()
