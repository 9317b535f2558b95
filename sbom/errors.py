"""Why no bill of materials can be written.

SbomError
    NotInstalled      the environment lacks a locked package
    AnotherVersion    the environment has another version of it
    NotPinned         a line of a lock file allows several versions or files
"""


class SbomError(Exception):
    """Says what to do."""


class NotInstalled(SbomError):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is locked but not installed, so its licence is unknown. Run `make sbom`, which installs it."
        )


class AnotherVersion(SbomError):
    def __init__(self, name: str, locked: str, installed: str) -> None:
        super().__init__(
            f"{name} is locked at {locked} but installed at {installed}. Run `make sbom`, which installs it."
        )


class NotPinned(SbomError):
    def __init__(self, line: str) -> None:
        super().__init__(f"`{line}` names no single version with hashes. Run `make lock`.")
