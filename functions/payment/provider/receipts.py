"""What a provider answers, in the words of a payment service."""

from dataclasses import dataclass

DECLINED = "declined by the provider"
GIVEN_BACK = "the provider has given the money back"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the provider answered: the money was taken, or it was not, and why."""

    accepted: bool
    reason: str | None = None
