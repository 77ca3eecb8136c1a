"""How far a long task is."""

from collections.abc import Callable

#: Called with how much is done, and how much there is (0 if that is not known).
Progress = Callable[[int, int], None]
