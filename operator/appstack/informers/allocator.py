"""Garbage collection and the allocator of the C library, set for caches that live as long as the process."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

_MMAP_THRESHOLD: Final = -3  # M_MMAP_THRESHOLD of glibc's <malloc.h>
_LARGE_BYTES: Final = 128 << 10


def configure() -> None:
    """Shorten garbage collections, and return large blocks of memory to the kernel when they are freed.

    By default, glibc raises the size of blocks that it returns once it has returned one. Texts of large AppStacks and
    pages of lists then fragment the heap. Other C libraries do not have this setting.
    """
    gc.freeze()  # imported modules stay, so collections need not visit them
    gc.set_threshold(5_000, 5, 320)  # small collections often and full ones seldom: a full one delays every task
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
