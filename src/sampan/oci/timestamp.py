# SPDX-License-Identifier: Apache-2.0
"""Times as image documents and the Engine API write them: RFC 3339 with up to nine decimals.

Implements: RFC 3339, section 5.6, to nanoseconds, which datetime does not keep. Here a time is an integer of
nanoseconds since the epoch.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from sampan.errors import InvalidArgument

_SECOND_NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(?:([Zz])|([+-])(\d\d):(\d\d))"
)


def format_timestamp(time_ns: int) -> str:
    """``2024-05-06T07:08:09.123456789Z``, without decimals that are zero, as Go's RFC3339Nano."""
    seconds, fraction = divmod(time_ns, _SECOND_NS)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    decimals = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{text}{decimals}Z"


def parse_timestamp(text: str) -> int:
    """Nanoseconds since the epoch; Go's zero time (year 1) is a valid, very negative one."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise InvalidArgument(f"{text!r} is not an RFC 3339 time")
    numbers = [int(match[group]) for group in range(1, 7)]
    numbers[5] = min(numbers[5], 59)  # a leap second is the last of its minute
    try:
        moment = datetime(*numbers[:6], tzinfo=UTC)  # type: ignore[misc, arg-type]
    except ValueError as error:
        raise InvalidArgument(f"{text!r} is not an RFC 3339 time: {error}") from error
    offset = 0
    if match[9]:
        offset = (int(match[10]) * 3600 + int(match[11]) * 60) * (1 if match[9] == "+" else -1)
    elapsed = moment - _EPOCH
    seconds = elapsed.days * 86400 + elapsed.seconds - offset
    return seconds * _SECOND_NS + int((match[7] or "0")[:9].ljust(9, "0"))
