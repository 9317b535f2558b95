"""The next release of flight-seats, as tests deploy it beside this one: a hold then knows its cabin.

Its schema comes in two steps, as every change of a schema here. Expand: a column that may be empty, before the new
functions start. Contract: what old functions left empty is filled, and nothing may be empty; once they are gone.
"""

import shutil
from pathlib import Path

from testbed.project import ROOT

FOLDER = ROOT / "functions" / "flight-seats"
CABIN = "ECONOMY"
_CHANGES = (
    ('Column("said", Text),', 'Column("said", Text), Column("cabin", String(10)),'),
    ('status="HELD",\n    )', f'status="HELD",\n        cabin="{CABIN}",\n    )'),
    ('"status": "CANCELED"}', f'"status": "CANCELED", "cabin": "{CABIN}"}}'),
)
"""What is other in flights.py: every hold that it makes has a cabin."""
_MIGRATION = '''"""{why}"""

import sqlalchemy as sa
from alembic import op

revision = "{name}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
{steps}


def downgrade() -> None:
    raise NotImplementedError
'''
_EXPAND = '    op.add_column("holds", sa.Column("cabin", sa.String(10)))'
_CONTRACT = f"""    op.execute("UPDATE holds SET cabin = '{CABIN}' WHERE cabin IS NULL")
    with op.batch_alter_table("holds") as holds:
        holds.alter_column("cabin", existing_type=sa.String(10), nullable=False)"""


def lay_out(root: Path) -> Path:
    """The folder of the next release below `root`, its schema as it is now: `expand` and `contract` add to it.

    Fails where this release is no longer what the changes were written for.
    """
    made = root / FOLDER.name
    shutil.copytree(FOLDER, made, ignore=shutil.ignore_patterns("__pycache__"))
    text = (made / "flights.py").read_text("utf-8")
    for old, new in _CHANGES:
        assert text.count(old) == 1, f"flights.py has no single place with {old!r}: write the next release again"
        text = text.replace(old, new)
    (made / "flights.py").write_text(text, "utf-8")
    return made


def expand(folder: Path) -> None:
    """Adds the migration that this release's functions must be able to live with."""
    _add(folder, "next_release_expand", _latest(), "The cabin of a hold, where it is known.", _EXPAND)


def contract(folder: Path) -> None:
    """Adds the migration that comes when no function of this release is left."""
    _add(folder, "next_release_contract", "next_release_expand", "Every hold has a cabin.", _CONTRACT)


def _add(folder: Path, name: str, before: str, why: str, steps: str) -> None:
    text = _MIGRATION.format(name=name, before=before, why=why, steps=steps)
    (folder / "migrations" / f"{name}.py").write_text(text, "utf-8")


def _latest() -> str:
    """The newest revision of this release; its files are numbered."""
    number = max(path.name for path in (FOLDER / "migrations").glob("*.py")).partition("_")[0]
    return f"{FOLDER.name.replace('-', '_')}_{number}"
