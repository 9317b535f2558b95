"""`make clean`: python -m laptop.clean DATA. Needs the standard library only: it works without an environment."""

import shutil
import sys
from pathlib import Path

from laptop.data_folder import only_run
from laptop.errors import LaptopError
from laptop.leftovers import end_leftovers
from laptop.logs import say


def clean(data: Path) -> None:
    """Ends what a killed run left, then removes all data. A link to another folder stays, and is emptied.

    Raises AlreadyRunning while a run is alive, and LaptopError where something cannot be removed.
    """
    if not data.exists():
        return
    with only_run(data):
        for name in end_leftovers(data / "run"):
            say("laptop", f"ended {name}, left over from a run that was killed")
        try:
            # the lock last: until then nobody else can start here
            for path in sorted(data.iterdir(), key=lambda path: path.name == "lock"):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            if not data.is_symlink():
                data.rmdir()
        except OSError as error:
            raise LaptopError(f"{error.filename} cannot be removed ({error.strerror})") from error


if __name__ == "__main__":
    try:
        clean(Path(sys.argv[1]).absolute())
    except LaptopError as error:
        sys.exit(f"laptop: {error}")
