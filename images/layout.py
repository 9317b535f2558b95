"""Lays out the files of an image under a folder: python3 -m images.layout STEP NAME ROOT

NAME is a folder of functions, or `migrations`. Each step is a layer of its own:

    dependencies   ROOT/app/site-packages, from the hashed lists in requirements/
    code           ROOT/app/choreography and airline, and next to them the function, or the migrations of every folder
    gateway        for an image without Python: ROOT/usr/bin/caddy, which NAME is, with its Caddyfile and the pages

The Dockerfile and `make image-tree` both run these steps, so both lay out the same bytes. Only the standard library is
imported: the image that builds has nothing else. Bytecode is for the Python that runs this, so the image must have the
same minor version.
"""

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
MIGRATIONS = "migrations"
ROOMS = ("choreography", "airline")
"""What every function imports: the kit, and the words of this airline."""
UNREPRODUCIBLE = ("bin", "*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED")
"""What pip writes that names this machine, or lists files that are not laid out."""
NOT_CODE = ("__pycache__", "requirements.txt")
EPOCH = 0
"""The time of every file. Of this one a web server makes no ETag; of any other it would, the same for changed files."""
TAG = ".etag"
"""Ends the name of a file that holds the ETag of the one beside it (`etag_file_extensions` of the Caddyfile)."""


def dependencies(name: str, root: Path) -> None:
    """Installs what NAME needs at run time. Raises CalledProcessError where pip fails."""
    packages = root / "app" / "site-packages"
    options = ("--no-compile", "--no-deps", "--require-hashes", "--disable-pip-version-check", "--quiet")
    _python("-m", "pip", "install", *options, f"--target={packages}", f"--requirement={requirements(name)}")
    for pattern in UNREPRODUCIBLE:
        for path in packages.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    _finish(packages, root)


def code(name: str, root: Path) -> None:
    """Copies the kit, the glossary, and the function without its migrations or, for `migrations`, only these."""
    app = root / "app"
    if name == MIGRATIONS:
        for room in ROOMS:
            _copy(PROJECT / room, app / room)
        for revisions in sorted(PROJECT.glob(f"functions/**/{MIGRATIONS}")):
            _copy(revisions, app / revisions.relative_to(PROJECT))
        _finish(app / "functions", root)
    else:
        for room in ROOMS:
            _copy(PROJECT / room, app / room, "migration*")
        _copy(PROJECT / "functions" / name, app / "function", MIGRATIONS)
        _finish(app / "function", root)
    for room in ROOMS:
        _finish(app / room, root)


def gateway(caddy: str, root: Path) -> None:
    """The files of gateway/Dockerfile, with a Caddy of this machine."""
    room = PROJECT / "gateway"
    for source, target in ((Path(caddy), "usr/bin/caddy"), (room / "Caddyfile", "etc/caddy/Caddyfile")):
        (root / target).parent.mkdir(parents=True)
        shutil.copyfile(source, root / target)
    (root / "usr" / "bin" / "caddy").chmod(0o755)
    _copy(room / "web", root / "srv" / "web")
    for page in [path for path in (root / "srv" / "web").rglob("*") if path.is_file()]:
        tag(page)
    _same_everywhere(root, root)


def tag(page: Path) -> None:
    """Writes the ETag of a file beside it."""
    page.with_name(page.name + TAG).write_text(f'"{sha256(page.read_bytes()).hexdigest()[:32]}"', "utf-8")


def requirements(name: str) -> Path:
    """The list of what NAME needs at run time."""
    room = PROJECT / ("requirements" if name == MIGRATIONS else f"functions/{name}")
    return room / ("migrations.txt" if name == MIGRATIONS else "requirements.txt")


def compile_all(folder: Path, seen_as: Path) -> None:
    """Bytecode that is never compared with its source: no cold start compiles. Errors name `seen_as`."""
    unchecked = ("-q", "--invalidation-mode=unchecked-hash", "-s", folder, "-p", seen_as)
    _python("-m", "compileall", *unchecked, folder)


def _copy(source: Path, target: Path, *left_out: str) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*NOT_CODE, *left_out))
    for folder in [path for path in target.rglob("*") if path.is_dir() and not any(path.iterdir())]:
        folder.rmdir()  # it held only what was left out


def _finish(folder: Path, root: Path) -> None:
    compile_all(folder, Path("/") / folder.relative_to(root))
    _same_everywhere(folder, root)


def _same_everywhere(folder: Path, root: Path) -> None:
    """Modes and times, of what is in the folder and of what it is in up to `root`, whatever the umask was."""
    above = (path for path in (folder, *folder.parents) if path.is_relative_to(root))
    for path in (*folder.rglob("*"), *above):
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        os.utime(path, (EPOCH, EPOCH))


def _python(*arguments: str | Path) -> None:
    # a process of its own: what else this one has in memory would show in the bytecode
    subprocess.run([sys.executable, *arguments], env={**os.environ, "PYTHONHASHSEED": "0"}, check=True)  # noqa: S603


if __name__ == "__main__":
    step, name, folder = sys.argv[1:]
    {"dependencies": dependencies, "code": code, "gateway": gateway}[step](name, Path(folder))
