"""The test provider's webhook: after each answer it says which key has moved, to PAYMENT_WEBHOOK_URL.

It is only a hint: it is sent once, by a thread that the answer does not wait for, and lost where the process dies.
"""

import json
import threading

from airline.settings import settings
from choreography.logs import log
from provider import signatures

SECONDS = 5.0


def send(key: str, status: str) -> None:
    """Sends the hint about a key, if anybody wants to hear it."""
    url = settings().payment_webhook_url
    if url is not None:
        body = json.dumps({"key": key, "status": status}).encode()
        threading.Thread(target=_send, args=(url, body), name="webhook", daemon=True).start()


def _send(url: str, body: bytes) -> None:
    import urllib3  # noqa: PLC0415 - an HTTP client, which a provider without a webhook does not need

    signature = signatures.sign(settings().payment_webhook_secret, body)
    headers = {"Content-Type": "application/json", "Provider-Signature": signature}
    try:
        # what it answers is not read: that could have no end
        answer = urllib3.request(
            "POST", url, body=body, headers=headers, timeout=SECONDS, retries=False, preload_content=False
        )
        answer.close()
        log.info("webhook", extra={"fields": {"status": answer.status}})
    except urllib3.exceptions.HTTPError as error:
        log.warning("a webhook is lost: %s", error)
