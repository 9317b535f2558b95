"""New revisions of everything while customers come."""

from demos import rollout
from demos.load import Load
from tests.cluster.installation import Installation


def test_a_rollout_under_load_turns_nobody_away_and_loses_and_doubles_nothing(installation: Installation) -> None:
    result = rollout.run(installation.running, installation.namespace, Load(clients=1, seconds=60, delay=1), print)
    assert result.availability.availability == 100
    assert {"gateway", "decrease-seats", "project-dashboard"} <= {*result.rolled}
    installation.figures["a rollout under load"] = "\n" + rollout.as_text(result)
