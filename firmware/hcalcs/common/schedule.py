# When the load is on: windows of whole half-hours. The record lives over upgrades: its format is
# every release's.

from records import Damaged, Record

WINDOWS_MOST = 3
_HALF_HOURS = 48
_NAME = "schedule.v1"


# "01:00" -> 2; "24:00" is the end of the day. ValueError for a time between half-hours.
def _half_hour(text: str) -> int:
    hours, colon, minutes = text.partition(":")
    if not colon or len(hours) != 2 or minutes not in ("00", "30") or not hours.isdigit():
        raise ValueError
    count = 2 * int(hours) + (minutes == "30")
    if count > _HALF_HOURS:
        raise ValueError
    return count


def _text(half_hour: int) -> str:
    return "%02d:%s" % (half_hour // 2, "30" if half_hour % 2 else "00")


# "01:00-05:30 13:00-14:00" -> ((2, 11), (26, 28)); in order, and none into the next.
def parse(text: str) -> "tuple[tuple[int, int], ...]":
    windows = []
    end_before = 0
    for part in text.split():
        start, dash, end = part.partition("-")
        window = _half_hour(start), _half_hour(end)
        if not dash or not end_before <= window[0] < window[1]:
            raise ValueError
        windows.append(window)
        end_before = window[1]
    if not 1 <= len(windows) <= WINDOWS_MOST:
        raise ValueError
    return tuple(windows)


def text_of(windows: "tuple[tuple[int, int], ...]") -> str:
    return " ".join([_text(start) + "-" + _text(end) for start, end in windows])


class Schedule:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._record = Record(folder, _NAME)
        self.windows = ()

    # Damaged where there is a schedule that cannot be read: a load must not stay off, or on,
    # because it went unnoticed.
    def load(self) -> None:
        body = self._record.load()
        if body is None:
            return
        try:
            self.windows = parse(str(body, "utf-8"))
        except ValueError:
            raise Damaged

    def save(self, windows: "tuple[tuple[int, int], ...]") -> None:
        self._record.save(text_of(windows).encode())
        self.windows = windows

    # Part of the self-test: the data region takes a schedule and gives it back.
    def rehearse(self) -> None:
        trial = Record(self._folder, "self-test")
        body = text_of(self.windows or ((0, 1),)).encode()
        trial.save(body)
        kept = trial.load()
        trial.remove()
        if kept != body:
            raise Damaged

    def holds(self, half_hour: int) -> bool:
        return any(start <= half_hour < end for start, end in self.windows)
