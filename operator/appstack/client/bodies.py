"""Bodies of requests and responses: large ones are sent in pieces, and not read to their end without need."""

from __future__ import annotations

import io
from typing import Final

from aiohttp import ClientResponse
from pydantic_core import to_json

from appstack.client.requests import Request

MAX_ERROR_BYTES: Final = 64 << 10
"""Size of an error to which it is read. The API server lists each problem of an object twice, in up to 20 MB."""

CHUNK_BYTES: Final = 1 << 16


def request_body(request: Request) -> bytes | io.BytesIO | None:
    """Return the body of a request. A large one is sent in pieces: at once, the buffers of TLS would grow to its size.

    They stay as large for as long as the connection is open.
    """
    if request.body is None:
        return None
    body = to_json(request.body)
    return body if len(body) <= CHUNK_BYTES else io.BytesIO(body)


async def read_body(response: ClientResponse, *, max_bytes: int | None) -> bytes | None:
    """Return the body of a response; None if it is larger, and the connection is closed then."""
    body, is_complete = await _read(response, max_bytes)
    return body if is_complete else None


async def read_error(response: ClientResponse) -> bytes:
    """Return the body of an error, or its first `MAX_ERROR_BYTES`."""
    body, _ = await _read(response, MAX_ERROR_BYTES)
    return body


async def _read(response: ClientResponse, max_bytes: int | None) -> tuple[bytes, bool]:
    """Return at most this many bytes, and whether they are the whole body. Else the connection is closed."""
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if max_bytes is not None and size > max_bytes:
            response.close()
            return b"".join(chunks)[:max_bytes], False
    return b"".join(chunks), True
