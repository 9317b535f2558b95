"""Column types, and what is said about indexes, that mean the same in SQLite, PostgreSQL and MySQL."""

import functools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Dialect, Index, Text, func
from sqlalchemy.types import TypeDecorator, TypeEngine


class LongText(TypeDecorator[str]):
    """Text that others may make longer than the 64 KiB of MySQL's TEXT."""

    impl = Text
    cache_ok = True

    @property
    def python_type(self) -> type[str]:
        """What a value is; SQLAlchemy knows it of its own types only."""
        return str

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """In MySQL up to 16 MiB."""
        if dialect.name not in ("mysql", "mariadb"):
            return super().load_dialect_impl(dialect)
        from sqlalchemy.dialects.mysql import MEDIUMTEXT  # noqa: PLC0415 - a dialect, which others need not import

        return dialect.type_descriptor(MEDIUMTEXT())


LONG_TEXT = LongText()


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC to the millisecond."""

    impl = DateTime
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """What a value is; SQLAlchemy knows it of its own types only."""
        return datetime

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """MySQL drops the milliseconds of a plain DATETIME."""
        if dialect.name not in ("mysql", "mariadb"):
            return dialect.type_descriptor(DateTime())
        from sqlalchemy.dialects.mysql import DATETIME  # noqa: PLC0415 - as above

        return dialect.type_descriptor(DATETIME(fsp=3))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Aware to naive UTC."""
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Naive UTC to aware."""
        return value.replace(tzinfo=UTC) if value else None


def indexes(table: str, *orders: Sequence[str], **options: Any) -> Iterator[Index]:
    """An index of each of these lists of columns: what rows are chosen by, what they are sorted by, what ends a tie."""
    return (Index(f"ix_{table}_{'_'.join(order)}", *order, **options) for order in orders)


@functools.cache  # there are few columns, and to make an expression takes as long as to find some rows
def without_index(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The same value, for which no database looks for an index: it is an expression, and not the column."""
    return func.coalesce(column, column, type_=column.type)
