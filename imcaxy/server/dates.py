"""HTTP-date, read in its three forms and written in the first (RFC 9110 §5.6.7). Pure."""

import calendar
import re
import time
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_DAY, _LONG_DAY, _MONTH = "|".join(_DAYS), "|".join(_LONG_DAYS), "|".join(_MONTHS)
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"(?:{_DAY}), (?P<day>[0-9]{{2}}) (?P<month>{_MONTH}) (?P<year>[0-9]{{4}}) {_TIME} GMT",
        rf"(?:{_LONG_DAY}), (?P<day>[0-9]{{2}})-(?P<month>{_MONTH})-(?P<year>[0-9]{{2}}) "
        rf"{_TIME} GMT",
        rf"(?:{_DAY}) (?P<month>{_MONTH}) (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)


@lru_cache(maxsize=1024)
def format_date(seconds: int) -> str:
    """The IMF-fixdate of a number of seconds since 1970 UTC."""
    at = time.gmtime(seconds)
    return (
        f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04} "
        f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"
    )


def parse_date(text: str, now: float) -> int | None:
    """Seconds since 1970 UTC, or None for what is not an HTTP-date.

    A two-digit year more than 50 years after `now` means the century before.
    """
    found = next((match for form in _FORMS if (match := form.fullmatch(text.strip(" \t")))), None)
    if found is None:
        return None
    year = _full_year(found["year"], now)
    month, day = _MONTHS.index(found["month"]) + 1, int(found["day"])
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"])
    if year == 0 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    if hour > 23 or minute > 59 or second > 60:  # 60 is a leap second
        return None
    return calendar.timegm((year, month, day, hour, minute, second))


def _full_year(text: str, now: float) -> int:
    if len(text) == 4:
        return int(text)
    this_year = time.gmtime(now).tm_year
    year = this_year - this_year % 100 + int(text)
    return year - 100 if year > this_year + 50 else year
