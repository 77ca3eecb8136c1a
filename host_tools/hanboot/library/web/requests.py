"""Figures of the requests that this process answered, for Prometheus."""

from __future__ import annotations

import threading
from collections import Counter


class Requests:
    """Counts answers by route and status, and the time they took by route."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answered: Counter[tuple[str, int]] = Counter()
        self._seconds: Counter[str] = Counter()

    def add(self, route: str, status: int, seconds: float) -> None:
        with self._lock:
            self._answered[route, status] += 1
            # a counter of float works as one of int does
            self._seconds[route] += seconds  # type: ignore[assignment]

    def lines(self) -> list[str]:
        """In Prometheus' text format 0.0.4. Routes are names of ours and need no escapes."""
        with self._lock:
            answered, seconds = sorted(self._answered.items()), sorted(self._seconds.items())
        return [
            "# TYPE hanboot_library_requests_total counter",
            *(
                f'hanboot_library_requests_total{{route="{route}",status="{status}"}} {count}'
                for (route, status), count in answered
            ),
            "# TYPE hanboot_library_request_seconds_total counter",
            *(
                f'hanboot_library_request_seconds_total{{route="{route}"}} {total:.6f}'
                for route, total in seconds
            ),
        ]


#: Of this process.
REQUESTS = Requests()
