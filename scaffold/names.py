"""The four words of a new policy, and the names that follow from them."""

import builtins
import importlib.util
import keyword
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_type_hints

from sqlalchemy.dialects.mysql.reserved_words import RESERVED_WORDS_MARIADB, RESERVED_WORDS_MYSQL
from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

from airline import events
from scaffold.system import function_folders, services_of_components

USAGE = "make policy NAME=thank-customer FOLDER=loyalty HEARS=ReservationConfirmed SAYS=LetterSent"
WORDS = {
    "NAME": "what the policy does, as its Service is called",
    "FOLDER": "its folder below functions/, new or existing",
    "HEARS": "the event that its Trigger delivers",
    "SAYS": "the new event that it answers with",
}
LONGEST_NAME = 27
"""With a longer one, the identity of its Trigger would not begin with the whole name: see tests/unit/test_oidc.py."""
LONGEST_TYPE = 40
"""What the dashboard keeps of an event's type."""
OTHER_IMAGES = {"gateway", "migrations"}
PARTS_OF_A_LAPTOP = {"board", "broker", "jaeger", "laptop", "migrations"}
"""Processes, logs and ports of `make run` have these names already."""
OF_SQL = RESERVED_WORDS | RESERVED_WORDS_MYSQL | RESERVED_WORDS_MARIADB


class Refused(Exception):
    """Why nothing is written: what is wrong, and what to do."""


@dataclass(frozen=True)
class Policy:
    """thank-customer in loyalty: ReservationConfirmed -> LetterSent."""

    name: str
    folder: str
    hears: str
    says: str

    @property
    def target(self) -> str:
        """thank_customer: of the function, and of its rule."""
        return snake(self.name)

    @property
    def module(self) -> str:
        """letter_sent: of the module with the rule, and of its table."""
        return snake(self.says)

    @property
    def said(self) -> tuple[str, ...]:
        """LetterSent, letter_sent, LETTER_SENT: the event, the module and the table in Python."""
        return self.says, self.module, self.module.upper()


def snake(name: str) -> str:
    """thank-customer and ThankCustomer are thank_customer."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).replace("-", "_").lower()


def kebab(name: str) -> str:
    """ThankCustomer is thank-customer."""
    return snake(name).replace("_", "-")


def read_policy(words: Mapping[str, str], root: Path) -> Policy:
    """The requested policy. Raises Refused."""
    missing = [f"{word} is {meaning}" for word, meaning in WORDS.items() if not words.get(word)]
    if missing:
        raise Refused(f"Missing: {'; '.join(missing)}. As in: {USAGE}")
    policy = Policy(words["NAME"], words["FOLDER"], words["HEARS"], words["SAYS"])
    _check_name(policy.name, root)
    _check_folder(policy.folder, root)
    _check_hears(policy.hears)
    _check_says(policy, root)
    return policy


def _check_name(name: str, root: Path) -> None:
    _check_kebab("NAME", name)
    if len(name) > LONGEST_NAME:
        raise Refused(f"NAME={name} has {len(name)} characters and may have {LONGEST_NAME}.")
    if (root / "knative" / "base" / f"{name}.yaml").exists():
        raise Refused(
            f"NAME={name}: knative/base/{name}.yaml exists already. Nothing was written; choose another name."
        )
    if name in services_of_components(root):
        raise Refused(
            f"NAME={name}: a component in knative/components has a Service of that name. Choose another name."
        )
    if name in PARTS_OF_A_LAPTOP:
        raise Refused(f"NAME={name}: a part of `make run` has that name already. Choose another name.")


def _check_folder(folder: str, root: Path) -> None:
    _check_kebab("FOLDER", folder)
    if folder in function_folders(root):
        return
    if (root / "functions" / folder).exists():
        raise Refused(f"FOLDER={folder}: functions/{folder} exists, but has no main.py. Choose another folder.")
    if folder in OTHER_IMAGES:
        raise Refused(f"FOLDER={folder}: an image of ours has that name already. Choose another folder.")
    if snake(folder) in OF_SQL:
        raise Refused(f"FOLDER={folder}: its database would be called {snake(folder)}, which means something in SQL.")
    password = f"{snake(folder).upper()}_DATABASE_PASSWORD:"
    if password in (root / "knative" / "base" / "secrets.yaml").read_text("utf-8"):
        raise Refused(
            f"FOLDER={folder}: knative/base/secrets.yaml has a {password[:-1]} already. Choose another folder."
        )


def _check_hears(hears: str) -> None:
    event = events.BY_TYPE.get(hears)
    if event is None:
        raise Refused(f"HEARS={hears} is not an event of airline/events.py. There are: {', '.join(events.BY_TYPE)}.")
    if "reservation_id" not in get_type_hints(event):
        heard = ", ".join(events.OF_SAGAS)
        raise Refused(f"HEARS={hears} has no reservation_id, by which a repeat is recognized. These have one: {heard}.")


def _check_says(policy: Policy, root: Path) -> None:
    says, module = policy.says, policy.module
    if not re.fullmatch(r"(?:[A-Z][a-z0-9]+)+", says) or len(says) > LONGEST_TYPE:
        raise Refused(
            f"SAYS={says} must be words such as LetterSent, up to {LONGEST_TYPE} characters, in the past tense."
        )
    if says in events.BY_TYPE:
        raise Refused(
            f"SAYS={says} is an event of airline/events.py already, with speakers of its own. Choose a new word."
        )
    if module in sys.stdlib_module_names or keyword.iskeyword(module) or module in OF_SQL:
        raise Refused(
            f"SAYS={says}: {module} would be a module and a table, and means something in Python or SQL already."
        )
    places = (*(root / "functions").glob(f"*/{module}"), *(root / "functions").glob(f"*/{module}.py"), root / module)
    for place in filter(Path.exists, places):
        raise Refused(f"SAYS={says}: {place.relative_to(root)} has the name of its module. Choose another word.")
    for migration in (root / "functions" / policy.folder / "migrations").glob("*.py"):
        if f'"{module}"' in migration.read_text("utf-8"):
            raise Refused(f"SAYS={says}: {migration.relative_to(root)} names a table {module}. Choose another word.")
    if importlib.util.find_spec(module):
        raise Refused(
            f"SAYS={says}: {module} would be a module, and a Python package has that name. Choose another word."
        )


def _check_kebab(word: str, value: str) -> None:
    target = snake(value)
    if not re.fullmatch(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", value) or keyword.iskeyword(target):
        raise Refused(
            f"{word}={value} must be small letters, digits and hyphens between them, begin with a letter, and not be a "
            f"keyword of Python. As in: {USAGE}"
        )
    if word == "NAME" and hasattr(builtins, target):
        raise Refused(f"NAME={value}: {target} is a function of Python itself. Choose another name.")
