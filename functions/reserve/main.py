"""The functions of reserve: wiring only. The rules are in reservations.py."""

from airline.events import saga_expected
from choreography import ahead, serving

# the other two may be started by somebody who only looks, so they say it when a request begins a saga
ahead.at_start(saga_expected, "place-reservation")
serving.begin()
# ruff: noqa: E402 - while the rest is imported, the functions that the saga will need start as well

import functions_framework
from flask import Request
from flask.typing import ResponseReturnValue

import housekeeping
import reservations
from airline.settings import settings
from choreography import meanwhile, outbox, policy

serving.prepare(settings)


@functions_framework.http
def reserve(request: Request) -> ResponseReturnValue:
    """HTTP: the resource reservations."""
    import reservations_api  # noqa: PLC0415 - which the others need not import at their start
    from choreography import web  # noqa: PLC0415 - as above

    return web.serve(reservations_api.app, request, afterwards=outbox.look_behind)


@functions_framework.http
def reserve_commands(request: Request) -> ResponseReturnValue:
    """HTTP: commands from outside, as CloudEvents."""
    import commands_api  # noqa: PLC0415 - as above
    from choreography import web  # noqa: PLC0415 - as above

    return web.serve(commands_api.app, request, afterwards=outbox.look_behind)


@functions_framework.http
def place_reservation(request: Request) -> ResponseReturnValue:
    """ReservationRequested -> ReservationPlaced."""
    import commands_api  # noqa: PLC0415 - as above

    return policy.announce(
        request, reservations.place_reservation, reservations.SOURCE, understand=commands_api.understood
    )


@functions_framework.http
@meanwhile.waits_for_its_commit_only
def confirm_reservation(request: Request) -> ResponseReturnValue:
    """Paid -> ReservationConfirmed, or ReservationCanceled where it was canceled meanwhile."""
    return policy.reply(request, reservations.confirm_reservation, reservations.SOURCE)


@functions_framework.http
def cancel_reservation(request: Request) -> ResponseReturnValue:
    """SeatsSoldOut, PaymentFailed or CancellationRequested -> ReservationCanceled."""
    import commands_api  # noqa: PLC0415 - as above

    return policy.announce(
        request, reservations.cancel_reservation, reservations.SOURCE, understand=commands_api.understood
    )


@functions_framework.http
def settle_reservations(request: Request) -> ResponseReturnValue:
    """SagasSettled -> nothing."""
    return policy.reply(request, reservations.settle_reservations, reservations.SOURCE)


@functions_framework.http
def reserve_housekeeping(request: Request) -> ResponseReturnValue:
    """Every five minutes: expire what is overdue, say again what is owed, send what is unsent."""
    return policy.tidy(request, housekeeping.keep_house)
