"""Each reader's JSON Schema, from which the contracts are made, says what the reader takes."""

import jsonschema_rs
import pytest

from airline.values import SEATS
from choreography import fields
from choreography.fields import Reader

CASES = [
    (SEATS, [1, 1000], [0, 1001, True, None, 1.5]),
    (fields.text(1, 3), ["a", "한국어"], ["", "abcd", "a\n", 1, None]),
    (fields.one_of("PAID", "FAILED"), ["PAID"], ["paid", 1, None]),
    (fields.several(SEATS, 2), [[1], [1, 2]], [[], [1, 2, 3], [0], None]),
    (fields.day, ["2025-12-25"], ["2025-13-25", "soon", 20251225]),
    (fields.instant, ["2025-12-25T08:00:00.000Z"], ["2025-12-25", "2025-12-25T08:00:00", 0]),
]


@pytest.mark.parametrize(("reader", "good", "bad"), CASES)
def test_what_the_schema_of_a_reader_allows_is_read_and_what_it_forbids_is_refused(
    reader: Reader[object], good: list[object], bad: list[object]
) -> None:
    valid = jsonschema_rs.Draft202012Validator(dict(reader.schema), validate_formats=True).is_valid

    for value in good:
        reader(value)
    for value in bad:
        with pytest.raises(ValueError, match=r"^(must|has) "):
            reader(value)

    assert (list(map(valid, good)), list(map(valid, bad))) == ([True] * len(good), [False] * len(bad))
