"""The functions of flight-seats: wiring only. The rules are in flights.py."""

from choreography import serving

serving.begin()
# ruff: noqa: E402 - what follows is most of a start

import functions_framework
from flask import Request
from flask.typing import ResponseReturnValue

import flights
from airline.settings import settings
from choreography import meanwhile, policy

serving.prepare(settings)


@functions_framework.http
def flight_seats(request: Request) -> ResponseReturnValue:
    """HTTP: the resource flights."""
    import flights_api  # noqa: PLC0415 - which the policies need not import at their start
    from choreography import web  # noqa: PLC0415 - as above

    return web.serve(flights_api.app, request)


@functions_framework.http
@meanwhile.waits_for_its_commit_only
def decrease_seats(request: Request) -> ResponseReturnValue:
    """ReservationPlaced -> RemainingSeatsDecreased or SeatsSoldOut."""
    return policy.reply(request, flights.decrease_remaining_seats, flights.SOURCE)


@functions_framework.http
@meanwhile.waits_for_its_commit_only
def restore_seats(request: Request) -> ResponseReturnValue:
    """ReservationCanceled -> RemainingSeatsIncreased if seats had been held, else SeatsNotHeld."""
    return policy.reply(request, flights.restore_seats, flights.SOURCE)
