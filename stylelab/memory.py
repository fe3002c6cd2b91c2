"""Why a process of ours keeps the memory it has freed."""

from __future__ import annotations

import ctypes
import platform

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX, ARENA_MAX = -1, -2, -4, -8  # malloc.h of the GNU C library


def keep_freed_pages() -> None:
    """Let the allocator hand freed memory to the next tensor instead of back to the system; for processes that are ours.

    Large tensors otherwise come as fresh pages, each of which the system clears and maps on first touch: on a small virtual
    machine that took more time than the arithmetic. Does nothing where the C library is not GNU's.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for option, value in ((ARENA_MAX, 1), (MMAP_MAX, 0), (TRIM_THRESHOLD, 2**31 - 1), (TOP_PAD, 2**26)):
        mallopt(option, value)
