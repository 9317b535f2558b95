"""Lists that follow from knative/base and functions/, written into the files that need them: `make lists`.

kustomize cannot derive one list from another, so they are committed, and a test compares them. Existing entries stay
where they are; new ones are added after them, and outdated ones are removed.
"""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scaffold.system import Database, System, read_system


class Stale(NamedTuple):
    """A file that lacks entries, or has too many."""

    file: Path
    missing: tuple[str, ...]
    surplus: tuple[str, ...]

    def __str__(self) -> str:
        wrong = [f"add {_line(entry)!r} to {self.file}" for entry in self.missing]
        wrong += [f"take {_line(entry)!r} out of {self.file}" for entry in self.surplus]
        return "; ".join(wrong) + " (`make lists` does it)"


@dataclass(frozen=True)
class Listing:
    """A list in a file. `entry` is a pattern of one entry, line ends included; nothing is between two entries."""

    file: str
    entry: str
    entries: Callable[[System, str], Sequence[str]]
    """What must be listed; the second argument is the text of the file."""

    def block(self, text: str) -> re.Match[str]:
        """The list in the text. Raises ValueError if there is none."""
        found = re.search(f"(?:{self.entry})+", text, re.MULTILINE)
        if not found:
            raise ValueError(f"{self.file}: the list is not where it was")
        return found

    def listed(self, text: str) -> list[str]:
        """The entries that are there."""
        return [found[0] for found in re.finditer(self.entry, self.block(text)[0], re.MULTILINE)]

    def updated(self, system: System, text: str) -> str:
        """The text with the list as it must be."""
        block = self.block(text)
        wanted = list(self.entries(system, text))
        kept = [entry for entry in dict.fromkeys(self.listed(text)) if entry in wanted]
        added = [entry for entry in wanted if entry not in kept]
        return text[: block.start()] + "".join(kept + added) + text[block.end() :]


def stale(root: Path) -> list[Stale]:
    """What `write` would change."""
    system, found = read_system(root), []
    for listing in LISTINGS:
        text = (root / listing.file).read_text("utf-8")
        listed, wanted = listing.listed(text), listing.entries(system, text)
        missing = tuple(entry for entry in wanted if entry not in listed)
        surplus = tuple(entry for entry in listed if entry not in wanted)
        if missing or surplus:
            found.append(Stale(Path(listing.file), missing, surplus))
    return found


def write(root: Path) -> list[Path]:
    """Brings all lists up to date. Returns the files that it has changed."""
    system, changed = read_system(root), []
    for listing in LISTINGS:
        file = root / listing.file
        text = file.read_text("utf-8")
        updated = listing.updated(system, text)
        if updated != text:
            file.write_text(updated, "utf-8")
            changed.append(Path(listing.file))
    return list(dict.fromkeys(changed))


def _line(entry: str) -> str:
    return " ".join(entry.split())


def _of_databases(entry: Callable[[Database], str]) -> Callable[[System, str], Sequence[str]]:
    return lambda system, _: [entry(database) for database in system.databases]


def _role(database: Database) -> str:
    return (
        f"\\getenv password {database.password}\n"
        f"CREATE ROLE {database.name} LOGIN PASSWORD :'password';\n"
        f"CREATE DATABASE {database.name} OWNER {database.name};\n"
        f"REVOKE ALL ON DATABASE {database.name} FROM PUBLIC;\n\n"
    )


def _owner(database: Database) -> str:
    return f'owner_of {database.name} "${{{database.password}:?}}"\n'


def _from_secret(database: Database) -> str:
    return (
        f"            - name: {database.password}\n"
        f"              valueFrom: {{secretKeyRef: {{name: airline-secrets, key: {database.password}}}}}\n"
    )


def _upgrade(database: Database) -> str:
    return f"            - /app/functions/{database.folder}\n            - $({database.owner}DATABASE_URL)\n"


def _connection(database: Database) -> str:
    def from_settings(variable: str, key: str) -> str:
        reference = f"{{configMapKeyRef: {{name: {database.config_map}, key: {key}}}}}"
        return f"            - name: {database.owner}{variable}\n              valueFrom: {reference}\n"

    url, user = database.key, database.key.removesuffix("URL") + "USER"
    return from_settings("DATABASE_URL", url) + from_settings("DATABASE_USER", user) + _from_secret(database)


def _addresses(system: System, text: str) -> list[str]:
    """Every database at the server of this file, in the settings of its folder."""
    server = re.search(r"DATABASE_URL=(\S+)/\w+$", text, re.MULTILINE)
    if not server:
        raise ValueError("no DATABASE_URL names the server")
    merged: dict[str, str] = {}
    for database in system.databases:
        head = f"  - name: {database.config_map}\n    namespace: airline\n    behavior: merge\n    literals:\n"
        merged.setdefault(database.config_map, head)
        merged[database.config_map] += f"      - {database.key}={server[1]}/{database.name}\n"
    return list(merged.values())


def _images(system: System, text: str) -> list[str]:
    registry = re.search(r"newName: (\S+)/[\w-]+}", text)
    if not registry:
        raise ValueError("no image names the registry")
    return [f"  - {{name: dev.local/airline/{name}, newName: {registry[1]}/{name}}}\n" for name in system.images]


def _senders(system: System, _: str) -> list[str]:
    subject = "    - sub: system:serviceaccount:airline:"
    return [
        *(f"{subject}{name}-oidc-sources.knative.dev-sinkbinding\n" for name in system.bound),
        *(f"{subject}{name}-on-*\n" for name in system.replying),
    ]


def _audiences(system: System, _: str) -> list[str]:
    def patch(group: str, kind: str, name: str, path: str, service: str) -> str:
        return (
            f"  - target: {{group: {group}, kind: {kind}, name: {name}}}\n"
            f"    patch: '- {{op: add, path: /spec/{path}/audience, value: airline/{service}}}'\n"
        )

    return [
        *(patch("eventing.knative.dev", "Trigger", f"{name}-on-.*", "subscriber", name) for name in system.triggered),
        *(patch("sources.knative.dev", "PingSource", name, "sink", name) for name in system.ticked),
    ]


_PASSWORDS = r"^ +- name: \w+_DATABASE_PASSWORD\n +valueFrom: .*\n"
_MERGED = (
    r"^  - name: [\w-]+-settings\n    namespace: airline\n    behavior: merge\n    literals:\n"
    r"(?:      - \w*DATABASE_URL=.*\n)+"
)

LISTINGS = (
    Listing("knative/base/kustomization.yaml", r"^  - [\w-]+\.yaml\n", lambda system, _: system.resources),
    Listing("knative/components/postgresql/databases.sql", r"^\\getenv .*\n(?:.+\n)+\n", _of_databases(_role)),
    Listing("knative/components/postgresql/postgres.yaml", _PASSWORDS, _of_databases(_from_secret)),
    Listing("knative/components/mysql/databases.sh", r"^owner_of \w+ .*\n", _of_databases(_owner)),
    Listing("knative/components/mysql/mysql.yaml", _PASSWORDS, _of_databases(_from_secret)),
    Listing("knative/components/mysql/kustomization.yaml", _MERGED, _addresses),
    Listing(
        "knative/components/migrations/migrations.yaml",
        r"^ +- /app/functions/.*\n +- \$\(.*\)\n",
        _of_databases(_upgrade),
    ),
    Listing(
        "knative/components/migrations/migrations.yaml",
        r"^ +- name: \w+_DATABASE_URL\n.*\n +- name: \w+_DATABASE_USER\n.*\n +- name: \w+_DATABASE_PASSWORD\n.*\n",
        _of_databases(_connection),
    ),
    Listing("knative/components/oidc/event-policy.yaml", r"^    - sub: .*\n", _senders),
    Listing(
        "knative/components/oidc/kustomization.yaml",
        r"^  - target: \{.*\}\n    patch: '- \{op: add, path: /spec/\w+/audience, .*\n",
        _audiences,
    ),
    Listing("README.md", r"\b\d+ Python functions", lambda system, _: [f"{len(system.functions)} Python functions"]),
    Listing("README.ko.md", r"\d+개의 파이썬 함수", lambda system, _: [f"{len(system.functions)}개의 파이썬 함수"]),
    Listing("docs/deploy.md", r"^\w+_DATABASE_PASSWORD=\.\.\.\n", _of_databases(lambda one: f"{one.password}=...\n")),
    Listing("knative/overlays/azure/kustomization.yaml", _MERGED, _addresses),
    Listing("knative/overlays/azure/kustomization.yaml", r"^  - \{name: dev\.local/airline/.*\n", _images),
)


if __name__ == "__main__":
    for path in write(Path(sys.argv[1])):
        print(path)
