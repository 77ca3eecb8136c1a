# One request at a time, repeated until it is answered, and one thing to do later.
#
# A radio network answers in milliseconds or in seconds, and a part of the time not at all. So how
# long the last answer took says when the next one is late; waits double from there, up to a bound,
# and so many tries are all. Time is in milliseconds that never wrap.

from hanbootloader.compat import const

if __debug__:  # in annotations alone
    from hanbootloader.han.ota_store import Timing

_NONE = const(-1)
_FACTOR = const(4)  # an answer is late after so many times the last round trip


class Exchange:
    # send(command, values): sends a request
    def __init__(self, send, timing: "Timing") -> None:  # type: ignore[no-untyped-def]
        self._send = send
        self._timing = timing
        self._wait_ms = timing.unmeasured_ms
        self._action = None
        self._due = 0
        self._now = 0
        self._asked_at = 0
        self._tries = 0
        self._bad = 0
        self._build = None
        self._give_up = None
        self.command = _NONE  # that is under way
        self.expected = _NONE  # the command that answers it

    @property
    def is_free(self) -> bool:
        return self.command == _NONE

    # milliseconds since the last request was sent
    @property
    def since_asked(self) -> int:
        return self._now - self._asked_at

    # Does what is due at `now`. True if there was anything.
    def poll(self, now: int) -> bool:
        self._now = now
        action = self._action
        if action is None or now < self._due:
            return False
        self._action = None
        action()
        return True

    # Drops the request under way, and does `action` after `delay_ms`.
    def schedule(self, delay_ms: int, action) -> None:  # type: ignore[no-untyped-def]
        self.cancel()
        self._wait_until(delay_ms, action)

    # Drops the request under way, and what was to be done.
    def cancel(self) -> None:
        self.command = self.expected = _NONE
        self._action = None

    # Sends `command` with the values that `build` returns, and again as long as nothing answers
    # it; give_up is called when there is no hope.
    def ask(self, command: int, expected: int, build, give_up) -> None:  # type: ignore[no-untyped-def]
        self.command, self.expected = command, expected
        self._build, self._give_up = build, give_up
        self._tries = self._bad = 0
        self._try()

    # It is answered: nothing is due any more.
    def answered(self) -> None:
        self.cancel()
        # an answer to a repeated request may be one to the first
        if self._tries == 1:
            took = _FACTOR * (self._now - self._asked_at)
            timing = self._timing
            self._wait_ms = max(timing.answer_least_ms, min(took, timing.unmeasured_ms))

    # An answer to another question. The request stands, but not for ever.
    def mismatched(self) -> None:
        self._bad += 1
        if self._bad == self._timing.bad_answers:
            self._end()

    def _try(self) -> None:
        if self._tries == self._timing.tries:
            self._end()
            return
        wait_ms = min(self._wait_ms << self._tries, self._timing.answer_most_ms)
        self._tries += 1
        self._asked_at = self._now
        self._send(self.command, self._build())  # type: ignore[misc]
        self._wait_until(wait_ms, self._try)

    def _end(self) -> None:
        self._wait_ms = self._timing.unmeasured_ms
        give_up = self._give_up
        self.cancel()
        give_up()  # type: ignore[misc]

    def _wait_until(self, delay_ms: int, action) -> None:  # type: ignore[no-untyped-def]
        self._due = self._now + delay_ms
        self._action = action
