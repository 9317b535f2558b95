"""What time does to mails: what the mail server did not take is sent when it is back, for three days."""

import mails
from choreography import housekeeping


def keep_house() -> None:
    """Sends what is owed, and gives up what is too old to be news."""
    housekeeping.keep(sent=_send_owed)


def _send_owed(until: float) -> int:
    if not mails.are_sent():
        return 0
    owed = housekeeping.pages(mails.owed)
    return housekeeping.each((row.event_id for row in owed), mails.send_owed, until)
