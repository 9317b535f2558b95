"""Answers for a function that does not start: 503 with the reason, instead of a connection that hangs.

A broker that delivers to it retries (503) and in the end keeps the reason with the dead letter.
"""

import asyncio
import json
import socket

from laptop.arrivals import connection_arrives

_PATIENCE = 2.0  # seconds for a request to arrive
_PAUSE = 0.2  # seconds
_LARGEST = 2_000_000  # bytes of a request that are read before the answer


async def refuse_connections(listener: socket.socket, reason: str, duration: float) -> None:
    """Accepts and refuses for `duration` seconds."""
    answer = _answer(reason)
    loop = asyncio.get_running_loop()
    refusals: set[asyncio.Task[None]] = set()
    deadline = loop.time() + duration
    while (left := deadline - loop.time()) > 0:
        # Looked at before it is accepted: an accept that a timeout cancels may have taken a connection with it.
        if await connection_arrives(listener, timeout=left):
            try:
                connection, _ = listener.accept()
            except OSError:  # the caller is gone, or no descriptors are left: those that wait go on waiting
                await asyncio.sleep(_PAUSE)
                continue
            refusal = asyncio.create_task(_refuse(connection, answer))
            refusals.add(refusal)
            refusal.add_done_callback(refusals.discard)
    if refusals:
        await asyncio.wait(refusals)


async def _refuse(connection: socket.socket, answer: bytes) -> None:
    connection.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        # Unread bytes would make the kernel reset the connection before the answer has been read.
        async with asyncio.timeout(_PATIENCE):
            await _read_request(reader)
        writer.write(answer)
        await writer.drain()
    except (TimeoutError, OSError, EOFError, ValueError, asyncio.LimitOverrunError):
        return  # the caller went away or did not send HTTP: there is nobody to answer
    finally:
        writer.close()


async def _read_request(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next((line[15:] for line in head.split(b"\r\n") if line.startswith(b"content-length:")), b"0")
    await reader.readexactly(min(int(length), _LARGEST))


def _answer(reason: str) -> bytes:
    problem = {"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": reason[:400]}
    body = json.dumps(problem).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: 5\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
