"""What mails say, in English and Korean."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Row

LANGUAGES = ("en", "ko")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_SOLD_OUT = re.compile(r"not enough seats left: (\d+) remain")


class Words(NamedTuple):
    """A subject and a body, with the values of a mail in braces."""

    subject: str
    body: str


_ENGLISH = {
    "ReservationConfirmed": Words(
        "Your reservation {reservation} is confirmed",
        "Dear {name},\n\nyour reservation {reservation} is confirmed.\n\nFlight: {flight}\nSeats: {seats}\n",
    ),
    "ReservationCanceled": Words(
        "Your reservation {reservation} is canceled",
        "Dear {name},\n\nyour reservation {reservation} is canceled.\n\nReason: {reason}\n\n"
        "If it was paid, the money goes back to you, and you get another mail.\n",
    ),
    "PaymentRefunded": Words(
        "Refund for your reservation {reservation}",
        "Dear {name},\n\nwe have refunded {amount} {currency} for your reservation {reservation}.\n",
    ),
}
_KOREAN = {
    "ReservationConfirmed": Words(
        "[예약 {reservation}] 예약이 확정되었습니다",
        "{name} 님, 안녕하세요.\n\n예약이 확정되었습니다.\n\n"
        "예약 번호: {reservation}\n항공편: {flight}\n좌석 수: {seats}\n",
    ),
    "ReservationCanceled": Words(
        "[예약 {reservation}] 예약이 취소되었습니다",
        "{name} 님, 안녕하세요.\n\n예약이 취소되었습니다.\n\n예약 번호: {reservation}\n사유: {reason}\n\n"
        "이미 결제하셨다면 결제 금액을 환불해 드리고 메일로 다시 알려 드립니다.\n",
    ),
    "PaymentRefunded": Words(
        "[예약 {reservation}] 결제 금액을 환불해 드렸습니다",
        "{name} 님, 안녕하세요.\n\n결제 금액을 환불해 드렸습니다.\n\n"
        "예약 번호: {reservation}\n환불 금액: {amount} {currency}\n",
    ),
}
_WORDS: Mapping[str, Mapping[str, Words]] = {"en": _ENGLISH, "ko": _KOREAN}
_REASONS_IN_KOREAN = {
    "expired": "제한 시간 안에 예약이 완료되지 않음",
    "canceled by customer": "고객님의 요청",
    "declined by the provider": "결제가 승인되지 않음",
}


def words_of(mail: Row[Any], currency: str) -> Words:
    """The subject and the body of a mail, in the language of its contact."""
    words = _WORDS[mail.language][mail.kind]
    values = {
        "name": one_line(mail.name),
        "reservation": one_line(mail.reservation_id),
        "flight": mail.flight_id,
        "seats": mail.seat_qty,
        "amount": f"{mail.amount or 0:,}",
        "currency": currency,
        "reason": _reason(one_line(mail.reason or "-"), mail.language),
    }
    return Words(*(text.format_map(values) for text in words))


def one_line(text: str) -> str:
    """Without line breaks and other characters that would end a header, or look like lines of ours."""
    return _UNPRINTABLE.sub(" ", text).strip()


def _reason(reason: str, language: str) -> str:
    if language != "ko":
        return reason
    if sold_out := _SOLD_OUT.fullmatch(reason):
        return f"남은 좌석 부족 ({sold_out[1]}석 남음)"
    return _REASONS_IN_KOREAN.get(reason, reason)
