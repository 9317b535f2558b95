"""What can stop the laptop from starting.

LaptopError            one line for the terminal, exit code 1
├── ManifestError      the manifests cannot be run on a laptop as they are
├── PortTaken          a port that a manifest or the command line asks for is in use
└── AlreadyRunning     another `run` holds the data folder
"""


class LaptopError(Exception):
    """Says in one line why nothing was started."""


class ManifestError(LaptopError):
    """The manifests cannot be run on a laptop as they are."""


class PortTaken(LaptopError):
    """A port that a manifest or the command line asks for is in use."""


class AlreadyRunning(LaptopError):
    """Another `run` holds the data folder."""
