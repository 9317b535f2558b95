"""Makes the Python of an image fit to run functions, and nothing else: python3 -m images.lean, inside an image only."""

import shutil
import sysconfig
from pathlib import Path

from images.layout import compile_all

PROGRAMS = ("pip*", "wheel*")


def lean(standard_library: Path, packages: Path, programs: Path) -> None:
    """Removes pip and all other installed packages, and compiles the standard library."""
    for path in (standard_library / "ensurepip", *packages.iterdir()):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for pattern in PROGRAMS:
        for program in programs.glob(pattern):
            program.unlink()
    compile_all(standard_library, standard_library)


if __name__ == "__main__":
    paths = (sysconfig.get_path(name) for name in ("stdlib", "purelib", "scripts"))
    lean(*map(Path, paths))
