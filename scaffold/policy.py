"""Writes a new policy from `templates/`, which is a real one: thank-customer in frequent-flyers.

New files are copies under the new names. In existing files, a piece is inserted where it belongs.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import ClassVar, get_origin, get_type_hints

from airline import events
from scaffold.names import Policy, Refused, kebab, snake

TEMPLATES = Path(__file__).with_name("templates")
SUFFIX = ".template"
"""Without it they would count as modules and tests of this project."""
EXAMPLE = Policy("thank-customer", "frequent-flyers", "ReservationConfirmed", "LetterSent")
FOLDER = f"functions/{EXAMPLE.folder}"
MANIFEST, TEST = f"knative/base/{EXAMPLE.name}.yaml", f"tests/unit/test_{EXAMPLE.target}.py"
RULE, MIGRATION = f"{FOLDER}/letter_sent.py", f"{FOLDER}/migrations/0001_letter_sent.py"
GLOSSARY, SECRETS = Path("airline/events.py"), Path("knative/base/secrets.yaml")
FIRST = "0001"
"""Its number in the names of migrations."""


def files(policy: Policy, root: Path) -> dict[Path, str]:
    """Path, relative to the checkout, and new text of everything that is touched. Raises Refused."""
    existing = (root / "functions" / policy.folder / "main.py").exists()
    glossary = (root / GLOSSARY).read_text("utf-8")
    word = _with_line(glossary, "SagaEvent", f"    | {policy.says}\n", before=_copy(str(GLOSSARY), policy))
    written = {GLOSSARY: word} | dict(_extended(policy, root) if existing else _founded(policy, root))
    for path, text in written.items():
        if path.suffix == ".py":
            _check_meanings(path, text, policy)
    return written


def _check_meanings(path: Path, text: str, policy: Policy) -> None:
    """Raises Refused where a name of the policy would mean two things in a module."""
    names = [name for statement in ast.parse(text).body for name in _bound(statement)]
    for word, name in (
        (f"NAME={policy.name}", policy.target),
        *((f"SAYS={policy.says}", each) for each in policy.said),
    ):
        if names.count(name) > 1:
            raise Refused(f"{word}: {name} means something else in {path} already. Choose another word.")


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module gives to things."""
    match statement:
        case ast.Import(names) | ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
        case ast.FunctionDef(name) | ast.ClassDef(name):
            yield name
        case ast.Assign(targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _founded(policy: Policy, root: Path) -> Iterator[tuple[Path, str]]:
    """A new folder with its own database."""
    for path in sorted((TEMPLATES / FOLDER).rglob(f"*{SUFFIX}")):
        name = str(path.relative_to(TEMPLATES)).removesuffix(SUFFIX)
        yield Path(_named(name, policy)), _copy(name, policy)
    settings = _copy("knative/base/settings.yaml", policy)
    yield Path(_named(MANIFEST, policy)), _copy(MANIFEST, policy) + settings
    password = f"  {snake(policy.folder).upper()}_DATABASE_PASSWORD: replace-me-{policy.folder}\n"
    secrets = (root / SECRETS).read_text("utf-8")
    *_, last = re.finditer(r"^  \w+_DATABASE_PASSWORD: .*\n", secrets, re.MULTILINE)
    yield SECRETS, secrets[: last.end()] + password + secrets[last.end() :]
    yield Path(_named(TEST, policy)), _with_sample(policy, _copy(TEST, policy))


def _extended(policy: Policy, root: Path) -> Iterator[tuple[Path, str]]:
    """A rule with its table, its target and its Service in an existing folder; test_repeats.py tests all policies."""
    folder = Path("functions") / policy.folder
    yield folder / f"{policy.module}.py", _rule_among_others(policy, root / folder)
    migration, text = _next_migration(policy, root / folder)
    yield folder / "migrations" / migration, text
    yield folder / "main.py", _with_target(policy, (root / folder / "main.py").read_text("utf-8"))
    manifest = _copy(MANIFEST, policy)
    secrets = _taken_from_secrets(_sibling(policy, root))
    yield Path(_named(MANIFEST, policy)), manifest.replace(_taken_from_secrets(manifest), secrets)


def _rule_among_others(policy: Policy, folder: Path) -> str:
    """The rule with the source and the tables that the folder has already. Raises Refused."""
    source, tables = (_module_with(name, folder) for name in ("SOURCE", "metadata"))
    imports = "".join(f"import {module}\n" for module in sorted({source, tables}))
    return re.sub(
        r"^SOURCE = .*\n\nmetadata = .*$",
        f"SOURCE = {source}.SOURCE\n",
        _copy(RULE, policy)
        .replace(", MetaData", "")
        .replace(", metadata,", f", {tables}.metadata,")
        .replace("\n\nfrom airline", f"\n\n{imports}from airline", 1),
        flags=re.MULTILINE,
    )


def _next_migration(policy: Policy, folder: Path) -> tuple[str, str]:
    """Name and text of the migration that comes after the last one of the folder. Raises Refused."""
    found = sorted(path for path in (folder / "migrations").glob("[0-9]*.py"))
    head = found and re.search(r'^revision = "(\w+)_(\d+)"$', found[-1].read_text("utf-8"), re.MULTILINE)
    if not head:
        raise Refused(
            f"functions/{folder.name}/migrations has no revision like {snake(folder.name)}_{FIRST} to follow."
        )
    number = f"{int(head[2]) + 1:04}"
    made = _copy(MIGRATION, policy).replace("down_revision = None", f'down_revision = "{head[1]}_{head[2]}"')
    text = re.sub(r"^revision = .*$", f'revision = "{head[1]}_{number}"', made, flags=re.MULTILINE)
    return f"{number}_{policy.module}.py", text


def _with_target(policy: Policy, main: str) -> str:
    made = _copy(f"{FOLDER}/main.py", policy)
    target = made[made.index("@functions_framework.http") :]
    *_, last = re.finditer(r"^import \w+\n", main, re.MULTILINE)
    main = f"{main[: last.end()]}import {policy.module}\n{main[last.end() :]}"
    return f"{main.rstrip()}\n\n\n{target}"


def _with_line(text: str, head: str, line: str, before: str = "") -> str:
    """The text with one more line in the parentheses behind `head`, and a piece before. Raises Refused."""
    found = re.search(rf"^({head}[^\n(]*\()(.*(?:\n    .*)*)\n?(?=\)$)", text, re.MULTILINE)
    if not found:
        raise Refused(f"airline/ has no `{head} (...)` to add {line.strip()} to.")
    inside = found[2] if found[2].startswith("\n") or not found[2] else f"\n    {found[2]}"
    return f"{text[: found.start()]}{before}{found[1]}{inside}\n{line}{text[found.end() :]}"


def _module_with(name: str, folder: Path) -> str:
    """The module of a folder that defines a name for the whole folder. Raises Refused."""
    for path in sorted(folder.glob("*.py")):
        if re.search(rf"^{name} = ", path.read_text("utf-8"), re.MULTILINE):
            return path.stem
    raise Refused(
        f"FOLDER={folder.name}: no module in functions/{folder.name} defines `{name}`, which its policies share. "
        "Choose another folder."
    )


def _sibling(policy: Policy, root: Path) -> str:
    """The manifest of another function of the folder. Raises Refused."""
    image = f"image: dev.local/airline/{policy.folder}:"
    for path in sorted((root / "knative" / "base").glob("*.yaml")):
        text = path.read_text("utf-8")
        if image in text:
            return text
    raise Refused(
        f"FOLDER={policy.folder}: its Services are in a component, and a policy is written into knative/base only. "
        "Choose another folder."
    )


def _taken_from_secrets(manifest: str) -> str:
    """The variables of a container that are in the Secret."""
    found = re.search(r"(?:^            - name: \w+\n              valueFrom: .*\n)+", manifest, re.MULTILINE)
    return found[0] if found else ""


def _with_sample(policy: Policy, test: str) -> str:
    """With a sample of the event that is heard, and the imports that it needs."""
    hints = get_type_hints(events.BY_TYPE[policy.hears])
    values = {name: _sample(kind) for name, kind in hints.items() if get_origin(kind) is not ClassVar}
    values["reservation_id"] = '"7Q2M9XW4TBCK"'
    arguments = ", ".join(f"{name}={value}" for name, value in values.items())
    times = [name for name in ("UTC", "date", "datetime") if re.search(rf"\b{name}[()]", arguments)]
    test = re.sub(r"^HEARD = .*$", f"HEARD = {policy.hears}({arguments})", test, flags=re.MULTILINE)
    return test.replace("\n\nimport", f"\n\nfrom datetime import {', '.join(times)}\n\nimport", 1) if times else test


def _sample(kind: object) -> str:
    samples: Mapping[object, str] = {
        int: "1",
        date: "date(2026, 5, 1)",
        datetime: "datetime(2026, 5, 1, 12, tzinfo=UTC)",
    }
    return samples.get(kind, '"some"')


def _copy(template: str, policy: Policy) -> str:
    return _named((TEMPLATES / f"{template}{SUFFIX}").read_text("utf-8"), policy)


def _named(text: str, policy: Policy) -> str:
    """The example's names as those of the policy, all in one pass."""
    pairs = {}
    for example, word in zip(_words(EXAMPLE), _words(policy), strict=True):
        for form in (str, kebab, snake, lambda name: snake(name).upper()):
            pairs[form(example)] = form(word)
    pattern = "|".join(sorted(map(re.escape, pairs), key=len, reverse=True))
    return re.sub(pattern, lambda found: pairs[found[0]], text)


def _words(policy: Policy) -> tuple[str, ...]:
    return policy.name, policy.folder, policy.hears, policy.says
