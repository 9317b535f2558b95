"""Writes bills of materials as CycloneDX 1.6 in JSON: python -m sbom FOLDER VERSION NAME [NAME ...]

NAME is an image (a folder of functions, `migrations` or `gateway`) or `laptop`. Each makes FOLDER/NAME.cdx.json.
"""

import sys
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.output.json import JsonV1Dot6

from sbom.bills import bill_of
from sbom.errors import SbomError


def write(folder: Path, version: str, names: list[str]) -> None:
    """Raises SbomError before anything is written."""
    bills = {name: text_of(bill_of(name, version)) for name in names}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in bills.items():
        (folder / f"{name}.cdx.json").write_text(text, "utf-8")


def text_of(bill: Bom) -> str:
    """CycloneDX 1.6 in JSON."""
    return JsonV1Dot6(bill).output_as_string(indent=2) + "\n"


if __name__ == "__main__":
    try:
        write(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
    except SbomError as error:
        sys.exit(str(error))
