"""The exit code with which a command ends. Needs the standard library only."""

BROKEN = 1
UNREACHABLE = 2
REFUSED = 3
USAGE = 64
"""A command that was typed wrong (sysexits.h); 2 means something else here."""
CRASHED = 70
INTERRUPTED = 130
