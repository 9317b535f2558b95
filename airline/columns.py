"""Column types that mean the same in SQLite, PostgreSQL and MySQL."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.dialects.mysql import DATETIME, MEDIUMTEXT
from sqlalchemy.types import TypeDecorator, TypeEngine

LONG_TEXT = Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")
"""Text that others may make longer than the 64 KiB of MySQL's TEXT."""


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC to the millisecond."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """MySQL drops the milliseconds of a plain DATETIME."""
        return dialect.type_descriptor(DATETIME(fsp=3) if dialect.name in ("mysql", "mariadb") else DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Aware to naive UTC."""
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Naive UTC to aware."""
        return value.replace(tzinfo=UTC) if value else None
