"""Who hears what: the Triggers of knative/base, and the rules that every main.py wires to them."""

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import MetaData

from choreography import policy
from choreography.events import Event
from testbed.project import ROOT, functions, heard_by, heard_type, triggers, wiring

Rule = Callable[..., Any]
FUNCTIONS = ROOT / "functions"


@dataclass(frozen=True, eq=False)
class Policy:
    """A Service that a Trigger delivers to; `module` has its rules, `wrapper` is the one of choreography/policy.py."""

    name: str
    module: str
    wrapper: str
    rules: tuple[Rule, ...]

    @property
    def source(self) -> str:
        return str(importlib.import_module(self.module).SOURCE)

    def heard(self, type_: str) -> type[Event]:
        """The class of an event that it hears."""
        return policy.hears(self.rules[0])[type_]


def housekeeping(folder: str) -> ModuleType:
    """The housekeeping of a function folder. Several folders have that name, so a plain import would find the first."""
    return importlib.import_module(f"functions.{folder}.housekeeping")


@cache
def hearers(type_: str) -> tuple[Policy, ...]:
    """Everybody to whom the broker delivers an event of that type."""
    return tuple(policy_of(heard_by(found)) for found in triggers().values() if heard_type(found) in (type_, None))


@cache
def policy_of(service: str) -> Policy:
    """The policy that a Service runs."""
    wired = wiring(functions()[service])
    assert wired, f"{service} is not a policy"
    module = wired.rules[0].partition(".")[0]
    rules = tuple(getattr(importlib.import_module(module), rule.partition(".")[2]) for rule in wired.rules)
    return Policy(service, module, wired.wrapper, rules)


@cache
def tables_of(folder: Path) -> MetaData:
    """The tables of a folder below functions/ that has migrations, whichever module they are in."""
    (first, *_) = folder.relative_to(FUNCTIONS).parts
    found = [path for path in sorted(folder.glob("*.py")) if re.search(r"\bTable\(", path.read_text("utf-8"))]
    names = [".".join(path.relative_to(FUNCTIONS / first).with_suffix("").parts) for path in found]
    modules = [importlib.import_module(name) for name in names]
    tables: set[MetaData] = {module.metadata for module in modules if hasattr(module, "metadata")}
    (metadata,) = tables
    return metadata
