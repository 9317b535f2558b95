"""The functions of notifications: wiring only. The rules are in mails.py."""

from choreography import serving

serving.begin()
# ruff: noqa: E402 - what follows is most of a start

import functions_framework
from flask import Request
from flask.typing import ResponseReturnValue

import housekeeping
import mails
from airline.settings import settings
from choreography import policy

serving.prepare(settings)


@functions_framework.http
def notify_customer(request: Request) -> ResponseReturnValue:
    """ReservationConfirmed, ReservationCanceled or PaymentRefunded -> one mail to the customer."""
    return policy.reply_in_steps(request, mails.begin, mails.send, mails.record, mails.SOURCE)


@functions_framework.http
def notifications_housekeeping(request: Request) -> ResponseReturnValue:
    """Every five minutes: send what is owed."""
    return policy.tidy(request, housekeeping.keep_house)


@functions_framework.http
def contacts(request: Request) -> ResponseReturnValue:
    """HTTP: whom mails go to, and which were sent. For operators alone: no gateway leads here."""
    from choreography import web  # noqa: PLC0415 - which the policy need not import at its start
    from contacts import contacts_api  # noqa: PLC0415 - as above

    return web.serve(contacts_api.app, request)
