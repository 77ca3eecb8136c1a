# Times in GBCS messages: GeneralizedTime "YYYYMMDDHHMMSSZ" in DER, the DLMS date-time of twelve
# octets, and the ZigBee UTC time, seconds since 2000-01-01, that a device counts in.

from hanbootloader.compat import const

# fmt: off
DATE_TIME_OCTETS = const(12)
_DAY_SECONDS     = const(86400)
# fmt: on

# "execute at" this time cancels an activation (GBCS 11.5)
CANCELLED = "99991231235959Z"

_MONTH_DAYS = b"\x1f\x1c\x1f\x1e\x1f\x1e\x1f\x1f\x1e\x1f\x1e\x1f"
_FIRST_YEAR = const(2000)
_LAST_YEAR = const(9999)


# Whether `text` is a GeneralizedTime of a day and time that exist.
def is_time(text: str) -> bool:
    return _fields(text) is not None


# (year, month, day, hour, minute, second); None where there is no such time.
def _fields(text: str) -> "tuple[int, int, int, int, int, int] | None":
    if len(text) != 15 or text[14] != "Z":
        return None
    for digit in text[:14]:
        if not "0" <= digit <= "9":
            return None
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    hour, minute, second = int(text[8:10]), int(text[10:12]), int(text[12:14])
    if not 1 <= month <= 12 or not 1 <= day <= _days(year, month):
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    return year, month, day, hour, minute, second


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days(year: int, month: int) -> int:
    return 29 if month == 2 and _is_leap(year) else _MONTH_DAYS[month - 1]


# Days from 2000-01-01 to the first of January of `year`.
def _days_before(year: int) -> int:
    past = year - 1
    leaps = past // 4 - past // 100 + past // 400 - (1999 // 4 - 1999 // 100 + 1999 // 400)
    return (year - _FIRST_YEAR) * 365 + leaps


# Seconds since 2000-01-01 00:00 UTC; None for a time that is none, or before.
def seconds_of(text: str) -> "int | None":
    fields = _fields(text)
    if fields is None or fields[0] < _FIRST_YEAR:
        return None
    year, month, day, hour, minute, second = fields
    days = _days_before(year) + day - 1
    for earlier in range(1, month):
        days += _days(year, earlier)
    return days * _DAY_SECONDS + hour * 3600 + minute * 60 + second


# The GeneralizedTime of `seconds` since 2000-01-01.
def time_of(seconds: int) -> str:
    return "%04d%02d%02d%02d%02d%02dZ" % _civil(seconds)


# The DLMS date-time: year, month, day, weekday and hundredths unspecified, deviation 0 (UTC).
#
# What a device's deviation and status octets must be is in no public source; the published
# messages have 8000 (unspecified) and FF.
def date_time_of(seconds: int) -> bytes:
    year, month, day, hour, minute, second = _civil(seconds)
    return bytes((year >> 8, year & 255, month, day, 0xFF, hour, minute, second, 0, 0x80, 0, 0xFF))


def _civil(seconds: int) -> "tuple[int, int, int, int, int, int]":
    days, rest = divmod(seconds, _DAY_SECONDS)
    year = _FIRST_YEAR + days // 366
    while year < _LAST_YEAR and _days_before(year + 1) <= days:
        year += 1
    days -= _days_before(year)
    month = 1
    while days >= _days(year, month):
        days -= _days(year, month)
        month += 1
    return year, month, days + 1, rest // 3600, rest // 60 % 60, rest % 60
