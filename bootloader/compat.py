# What the device code needs that CPython lacks, so that both run the same files.

try:
    from micropython import const  # type: ignore[import-not-found]
    from time import ticks_diff, ticks_ms  # type: ignore[attr-defined]
except ImportError:
    import time

    # MicroPython's compiler folds `const(<literal>)` wherever it sees that name, and gives a
    # module-level `_NAME = const(...)` no run-time existence at all. CPython just calls this.
    def const(value: int) -> int:
        return value

    # MicroPython's ticks wrap around, so they are only ever compared through ticks_diff.
    def ticks_ms() -> int:
        return time.monotonic_ns() // 1_000_000

    def ticks_diff(later: int, earlier: int) -> int:
        return later - earlier
