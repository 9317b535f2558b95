"""The functions of payment: wiring only. The rules are in payments.py, the provider's in provider/."""

from choreography import serving

serving.begin()
# ruff: noqa: E402 - what follows is most of a start

import functions_framework
from flask import Request
from flask.typing import ResponseReturnValue

import housekeeping
import payments
from airline.settings import settings
from choreography import outbox, policy

serving.prepare(settings)


@functions_framework.http
def payment(request: Request) -> ResponseReturnValue:
    """HTTP: the resource payments, read only."""
    import payments_api  # noqa: PLC0415 - which the policies need not import at their start
    from choreography import web  # noqa: PLC0415 - as above

    return web.serve(payments_api.app, request, afterwards=outbox.look_behind)


@functions_framework.http
def charge_payment(request: Request) -> ResponseReturnValue:
    """RemainingSeatsDecreased -> Paid or PaymentFailed."""
    return policy.reply_in_steps(
        request, payments.begin_charge, payments.charge, payments.record_charge, payments.SOURCE, others_finish=True
    )


@functions_framework.http
def refund_payment(request: Request) -> ResponseReturnValue:
    """ReservationCanceled -> PaymentRefunded if money had been taken, else PaymentNotTaken."""
    return policy.reply_in_steps(
        request, payments.begin_refund, payments.refund, payments.record_refund, payments.SOURCE, others_finish=True
    )


@functions_framework.http
def payment_housekeeping(request: Request) -> ResponseReturnValue:
    """Every five minutes: finish what was left half done, send what is unsent."""
    return policy.tidy(request, housekeeping.keep_house)


@functions_framework.http
def payment_provider(request: Request) -> ResponseReturnValue:
    """HTTP: the test provider as a server of its own, where it is not in the process of the others."""
    from choreography import web  # noqa: PLC0415 - as above
    from provider import ledger_api  # noqa: PLC0415 - as above

    return web.serve(ledger_api.app, request)
