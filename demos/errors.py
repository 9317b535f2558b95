"""What ends a demo early."""


class DemoFailed(Exception):
    """One sentence: what was expected and did not happen, or what is missing here."""
