"""Amounts of memory as people write them."""

from __future__ import annotations

import re

PATTERN = r"(?:\d+(?:\.\d+)?\s*[KMGT]?i?B?)?"
"""A number and a unit, or nothing; to be matched whatever the case."""
WORDING = "a size such as 800MB or 2GB, or nothing"
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(text: str) -> int:
    """Bytes of a size: "2GB" is 2e9, "2GiB" is 2 * 2**30, "2G" is taken for the first; "" is 0.

    Raises:
        ValueError: it is no size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", text.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        if not text.strip():
            return 0
        raise ValueError(f"{text!r} is no size: write 800MB or 2GB")
    number, unit, binary = found.groups()
    base = 1024 if binary else 1000
    return round(float(number) * float(base ** _POWERS[unit.upper()]))
