"""python -m observability: writes the dashboards. `make check` fails if one of them is outdated."""

from pathlib import Path

from observability.dashboards import built

FOLDER = Path(__file__).parent / "dashboards"


def main() -> None:
    """Writes every dashboard, and removes those that are gone."""
    made = built()
    for path in set(FOLDER.glob("*.json")) - {FOLDER / name for name in made}:
        path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
