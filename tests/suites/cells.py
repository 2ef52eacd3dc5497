"""Whether a value that postback printed as JSON is the value of another reader."""

import datetime
import decimal
import math
import re
import struct
import uuid

UTC = datetime.timezone.utc
INSTANT = re.compile(r"(-?\+?\d{4,6})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?\s*(Z|[+-]\d\d:?\d\d)?$")


#: A value of a type that is printed in a way of its own, such as an interval or one of a union: any text will do.
UNKNOWN = "\0 of a type with words of its own"
#: Types whose values are compared.
KNOWN = (type(None), bool, int, float, decimal.Decimal, str, bytes, datetime.date, datetime.time, uuid.UUID)


class Instant:
    """A time in nanoseconds; with a zone, of UTC."""

    def __init__(self, nanoseconds, is_zoned):
        self.nanoseconds, self.is_zoned = nanoseconds, is_zoned

    def __repr__(self):
        return f"Instant({self.nanoseconds}, {self.is_zoned})"


def same(ours, theirs):
    """Whether `ours`, of JSON, says what `theirs` says."""
    if isinstance(theirs, str) and theirs == UNKNOWN:
        return ours != "<invalid>" and not str(ours).startswith("ERROR")
    if theirs is None:
        return ours is None
    if isinstance(theirs, uuid.UUID):
        return ours == str(theirs)
    if isinstance(theirs, bool):
        return ours is theirs
    if isinstance(theirs, Instant):
        is_zoned = isinstance(ours, str) and bool(re.search(r"(Z|[+-]\d\d:\d\d)$", ours))
        # pyarrow gives the instants of INT96 without their zone.
        return (is_zoned or not theirs.is_zoned) and isinstance(ours, str) and instant(ours) == theirs.nanoseconds
    if isinstance(theirs, (bytes, bytearray)):
        return ours in (theirs.hex(), theirs.decode("utf-8", "surrogateescape"))
    if isinstance(theirs, float):
        return same_float(ours, theirs)
    if isinstance(theirs, (int, decimal.Decimal)):
        return number(ours) == theirs
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and not (ours.keys() - theirs.keys()) and all(
            same(ours.get(name), value) for name, value in theirs.items()
        )
    if isinstance(theirs, (list, tuple)):
        return same_list(ours, list(theirs))
    if isinstance(theirs, (datetime.date, datetime.time)):
        return ours == theirs.isoformat()
    return ours == theirs


def same_float(ours, theirs):
    # JSON has no word for these.
    if not math.isfinite(theirs):
        return ours is None or str(ours).lower() in (str(theirs), "nan")
    found = number(ours)
    if found is None:
        return False
    if float(found) == theirs:
        return True
    # Numbers of fewer bits are printed as short as their bits allow.
    for form in ("e", "f"):
        try:
            if struct.unpack(form, struct.pack(form, theirs))[0] == theirs:
                return struct.unpack(form, struct.pack(form, float(found)))[0] == theirs
        except OverflowError:
            continue
    return False


def same_list(ours, theirs):
    is_map = theirs and all(isinstance(item, tuple) and len(item) == 2 for item in theirs)
    if is_map and isinstance(ours, dict):
        return len(ours) == len(dict(theirs)) and all(same(ours.get(str(key)), value) for key, value in dict(theirs).items())
    if not theirs and ours == {}:
        return True
    return isinstance(ours, list) and len(ours) == len(theirs) and all(map(same, ours, theirs))


def number(ours):
    """`ours` as a number, if it is one or the text of one."""
    if isinstance(ours, bool) or not isinstance(ours, (int, str, decimal.Decimal)):
        return None
    try:
        return decimal.Decimal(ours)
    except decimal.InvalidOperation:
        return None


def instant(text):
    """Nanoseconds since 1970 of a time in ISO 8601."""
    found = INSTANT.match(text)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    year = int(year)
    # The calendar repeats after 400 years.
    shift = (year - 2000) // 400
    moment = datetime.datetime(year - 400 * shift, int(month), int(day), int(hour or 0), int(minute or 0), tzinfo=UTC)
    seconds = int((moment - datetime.datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) + shift * 146097 * 86400
    seconds += int(second or 0)
    if zone and zone != "Z":
        sign = -1 if zone[0] == "-" else 1
        seconds -= sign * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60)
    return seconds * 10**9 + int((fraction or "0").ljust(9, "0")[:9])


def same_text(ours, theirs):
    """Whether `ours`, of a type that was recognised, says the text `theirs` of a CSV file."""
    if ours is None:
        return theirs.strip() == "" or theirs in ("\\N",)
    if isinstance(ours, bool):
        return theirs.strip().lower() == str(ours).lower()
    if isinstance(ours, str):
        known = instant(ours)
        return ours == theirs or known is not None and known == instant(theirs.strip())
    return number(theirs.strip()) == ours
