"""`make policy NAME=... FOLDER=... HEARS=... SAYS=...`: writes a new policy, all of it or nothing."""

import os
import subprocess
import sys
from pathlib import Path

from laptop.errors import ManifestError
from scaffold import lists
from scaffold.names import Refused, read_policy
from scaffold.policy import files


def main(root: Path) -> int:
    """Says what was written, or why nothing was. Returns the exit code."""
    try:
        policy = read_policy(os.environ, root)
        written = files(policy, root)
    except (Refused, ManifestError) as error:
        print(error, file=sys.stderr)
        return 2
    for path, text in written.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    tidy([str(path) for path in written if path.suffix == ".py"], root)
    print("Written:")
    print("\n".join(f"  {path}" for path in written))
    print("Made from them (make lists contracts):")
    print("\n".join(f"  {path}" for path in lists.write(root)), flush=True)
    # in another process: this one has loaded the old glossary and saga
    subprocess.run([sys.executable, "-m", "contracts"], cwd=root, check=True)
    print(f"Next: functions/{policy.folder}/{policy.module}.py, to write what {policy.name} does; then make run.")
    return 0


def tidy(paths: list[str], root: Path) -> None:
    """Formats imports and lines as `make lint` requires, whatever the length of the names."""
    for words in (("check", "--quiet", "--select", "I", "--fix"), ("format", "--quiet")):
        subprocess.run([sys.executable, "-m", "ruff", *words, *paths], cwd=root, check=True)


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))
