"""The address book of notifications, and what was sent, over HTTP."""
