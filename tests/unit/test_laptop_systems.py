"""Where the parts of a system are: system.toml in its folder, which may leave everything out."""

from pathlib import Path

import pytest

from laptop.errors import LaptopError
from laptop.options import of_system
from laptop.systems import DEFAULTS, ROOT, data_of


def test_the_airline_is_the_system_of_this_checkout() -> None:
    airline = of_system()

    assert airline.data == data_of() == ROOT / ".airline"
    assert [path.relative_to(ROOT).as_posix() for path in airline.manifests] == ["knative/base", "broker/kafka"]
    assert all(path.exists() for path in (*airline.manifests, airline.functions, *airline.code, airline.welcome))


def test_a_system_without_a_file_has_everything_in_its_folder(tmp_path: Path) -> None:
    trains = of_system(tmp_path)

    assert (trains.manifests, trains.functions) == ((tmp_path / "manifests",), tmp_path / "functions")
    assert (trains.data, trains.code) == (tmp_path / ".data", (ROOT / "choreography",))
    assert trains.status == f"make status SYSTEM={tmp_path}"


def test_a_file_that_says_one_thing_leaves_the_others_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "system.toml").write_text('code = ["timetable"]\n', "utf-8")

    trains = of_system(tmp_path)

    assert trains.code == (tmp_path / "timetable", ROOT / "choreography")
    assert trains.functions == tmp_path / "functions"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("data = ", "system.toml is not TOML"),
        ('date = ".data"', f"there is no key date; there are {', '.join(DEFAULTS)}"),
        ("data = 7", "data must be a text"),
        ('manifests = "here"', "manifests must be a list of texts"),
        ("code = [1]", "code must be a list of texts"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_what_is_wrong(tmp_path: Path, written: str, said: str) -> None:
    (tmp_path / "system.toml").write_text(written, "utf-8")

    with pytest.raises(LaptopError, match=said):
        of_system(tmp_path)
