"""The functions of dashboard-projector: wiring only. What events mean for it is in projection.py."""

from choreography import serving

serving.begin()
# ruff: noqa: E402 - what follows is most of a start

import functions_framework
from flask import Request
from flask.typing import ResponseReturnValue

import housekeeping
import projection
from airline.events import AIRLINE
from airline.settings import settings
from choreography import meanwhile, policy

serving.prepare(settings)


@functions_framework.http
def dashboard(request: Request) -> ResponseReturnValue:
    """HTTP: customerInfos, their rebuild, and the story of a reservation."""
    import dashboard_api  # noqa: PLC0415 - which the policies need not import at their start
    from choreography import web  # noqa: PLC0415 - as above

    return web.serve(dashboard_api.app, request)


@functions_framework.http
@meanwhile.waits_for_its_commit_only
def project_dashboard(request: Request) -> ResponseReturnValue:
    """Every event -> nothing."""
    return policy.observe(request, projection.project, sagas=AIRLINE)


@functions_framework.http
def dashboard_housekeeping(request: Request) -> ResponseReturnValue:
    """Every five minutes: say what is settled, warn of what is canceled but not compensated, prune old history."""
    return policy.tidy(request, housekeeping.keep_house)
