"""What time does to the dashboard: the settled is reported, the uncompensated shows, and old history goes."""

import dashboard_figures
import history_pruning
import projection
import settlement
from airline.events import AIRLINE
from choreography import clock, figures, housekeeping, logs, store
from choreography.logs import log


def keep_house() -> None:
    """Says which sagas are settled; warns of each that is canceled and not compensated; prunes the history."""
    housekeeping.keep(
        reported=settlement.report,
        uncompensated=_warn,
        pruned=history_pruning.prune,
        figures=lambda _: figures.tell(dashboard_figures.look),
    )


def _warn(_: float) -> int:
    with store.reading() as connection:
        owed = projection.uncompensated(clock.now() - dashboard_figures.OVERDUE, connection)
    for reservation_id in owed:
        with logs.about(**AIRLINE.about(reservation_id)):
            log.warning("canceled but not yet compensated")
    return len(owed)
