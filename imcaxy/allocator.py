"""The C library's allocator, told to give freed pieces of pictures back to the operating system."""

import ctypes

# glibc's malloc.h. By itself glibc keeps freed pieces in its heap, and raises the threshold below
# which it does so each time that a larger one is freed: a server would keep its highest mark.
_MMAP_THRESHOLD, _MMAP_MAX = -3, -4
_LARGE = 64 * 1024  # bytes from which an allocation is a mapping of its own: a stream's piece
_MAPPINGS = 16_384  # at a time; the kernel allows a process 65,530, threads and files included


def give_back_large_pieces() -> None:
    """Let allocations of 64 KiB and more leave with their last use, where libc is glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_MMAP_MAX, _MAPPINGS)
