"""The routes of all functions as they declare themselves, and the lists among them."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from flask import Flask

from choreography import audit, contract
from choreography.contract import Collection, Operation
from choreography.resources import Resource
from testbed.policies import FUNCTIONS
from testbed.project import folders_of_the_saga

IMPLIED = "HEAD", "OPTIONS"
"""Methods that Flask adds to a route."""


@dataclass(frozen=True)
class Route:
    """A route of a function: its application has the name of the Service."""

    app: Flask
    method: str
    path: str
    promised: Operation


@dataclass(frozen=True)
class Listing:
    """A list as its route promises it."""

    app: Flask
    path: str
    resource: Resource


@cache
def modules() -> tuple[ModuleType, ...]:
    """Those that have the routes of a function of the base."""
    folders = [FUNCTIONS / folder for folder in folders_of_the_saga()]
    return tuple(importlib.import_module(file.stem) for folder in folders for file in sorted(folder.glob("*_api.py")))


def routes() -> Iterator[Route]:
    """All that promise something."""
    for module in modules():
        for rule in module.app.url_map.iter_rules():
            promised = vars(module.app.view_functions[rule.endpoint]).get(contract.EXTENSION)
            for method in sorted((rule.methods or set()) - {*IMPLIED}) if promised else ():
                yield Route(module.app, method, rule.rule, promised)


def listings() -> Iterator[Listing]:
    """All lists that have pages."""
    resources: dict[tuple[str, str], Resource] = {}
    for module in modules():
        found = [*vars(module).values(), *vars(audit).values()]
        resources |= {(module.app.name, one.plural): one for one in found if isinstance(one, Resource)}
    for route in routes():
        answers = route.promised.answers
        if isinstance(answers, Collection) and answers.paged:
            yield Listing(route.app, route.path, resources[route.app.name, answers.plural])
