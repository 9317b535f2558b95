"""Folders for sockets: short, plain, and made again where somebody cleans up."""

import shutil
import tempfile
from pathlib import Path

import pytest

from laptop.errors import LaptopError
from laptop.runtime import make_short_folder, runtime_folder

LONGEST_SOCKET = 104
"""Bytes of a path, with the NUL behind it, on macOS; 108 on Linux."""


@pytest.mark.parametrize("name", ["t" * 100, "a b", "[x]", "가격"])
def test_a_tmpdir_that_is_too_long_or_too_odd_is_left_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    folder = make_short_folder()
    try:
        assert len(str(folder / ("s" * 32) / "notify")) < LONGEST_SOCKET
        assert not any((tmp_path / name).iterdir())
        assert folder.stat().st_mode & 0o077 == 0
    finally:
        folder.rmdir()


def test_a_folder_that_was_cleaned_away_is_made_again_and_none_is_left_behind() -> None:
    with runtime_folder() as runtime:
        first = runtime.of("reserve")
        shutil.rmtree(runtime.path)
        second = runtime.of("reserve")
        assert second.is_dir()
        assert second != first
        link = runtime.link("gateway", Path("/"))
        assert runtime.link("gateway", Path("/")) == link
        assert link.resolve() == Path("/")
    assert not runtime.path.exists()


def test_without_any_place_for_sockets_the_reason_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "mkdtemp", _full)
    with (
        pytest.raises(LaptopError, match=r"no folder for sockets: .*/var/tmp: No space left on device"),
        runtime_folder(),
    ):
        pass


def _full(**_: str) -> str:
    raise OSError(28, "No space left on device")
