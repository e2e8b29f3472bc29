"""Taking typed fields out of a map that somebody else wrote."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from lama_core.client.protocol import limits as bounds
from lama_core.client.protocol.errors import ErrorCode, ProtocolError
from lama_core.client.protocol.messages import Bytes

Choice = TypeVar("Choice", bound=str)
Item = TypeVar("Item")

_MISSING: Final = object()


class Fields:
    """Takes fields out of a map, each by its type and range; every failure is a `ProtocolError`.

    What a failure is answered with is `code` and `job`: a wrong field of a fill costs the fill, not the
    connection.
    """

    def __init__(
        self,
        fields: Mapping[str, Any],
        where: str,
        *,
        code: ErrorCode = "bad_message",
        job: int | None = None,
    ) -> None:
        self._fields = fields
        self._where = where
        self.code: ErrorCode = code
        self.job = job

    def fail(self, name: str, wanted: str, code: ErrorCode | None = None) -> ProtocolError:
        return ProtocolError(code or self.code, f"{self._where}.{name}: {wanted}", job=self.job)

    def get(self, name: str, default: Any = _MISSING) -> Any:
        """The value as it is; only the callers below look at its type."""
        value = self._fields.get(name, _MISSING)
        if value is not _MISSING:
            return value
        if default is _MISSING:
            raise self.fail(name, "is missing")
        return default

    def integer(self, name: str, low: int, high: int, default: Any = _MISSING) -> int:
        value = self.get(name, default)
        if type(value) is not int or not low <= value <= high:  # type(), because a bool is an int
            raise self.fail(name, f"must be an integer from {low} to {high}")
        return value

    def number(self, name: str, low: float, high: float, default: Any = _MISSING) -> float:
        value = self.get(name, default)
        if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:
            raise self.fail(name, f"must be a number from {low:g} to {high:g}")
        return float(value)

    def boolean(self, name: str, default: Any = _MISSING) -> bool:
        value = self.get(name, default)
        if type(value) is not bool:
            raise self.fail(name, "must be true or false")
        return value

    def text(self, name: str, length: int, default: Any = _MISSING) -> str:
        value = self.get(name, default)
        if type(value) is not str or len(value) > length:
            raise self.fail(name, f"must be a string of at most {length} characters")
        return value

    def name(self, name: str, default: Any = _MISSING) -> str:
        value = self.text(name, bounds.MAX_NAME, default)
        if not value.isprintable():
            raise self.fail(name, "must be printable")
        return value

    def choice(
        self, name: str, choices: Mapping[Choice, object] | tuple[Choice, ...], default: Any = _MISSING
    ) -> Choice:
        value = self.get(name, default)
        for choice in choices:
            if type(value) is str and value == choice:
                return choice
        raise self.fail(name, "must be one of " + ", ".join(choices))

    def data(self, name: str, default: Any = _MISSING) -> Bytes:
        value = self.get(name, default)
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise self.fail(name, "must be binary data")
        return value

    def items(self, name: str, parse: Callable[[Fields], Item]) -> tuple[Item, ...]:
        value = self.get(name, [])
        if type(value) is not list or len(value) > bounds.MAX_LIST:
            raise self.fail(name, f"must be an array of at most {bounds.MAX_LIST}")
        return tuple(parse(self._nested(f"{name}[{index}]", item)) for index, item in enumerate(value))

    def names(self, name: str) -> tuple[str, ...]:
        """An array of names; none where it is left out."""
        value = self.get(name, [])
        if type(value) is not list or len(value) > bounds.MAX_LIST:
            raise self.fail(name, f"must be an array of at most {bounds.MAX_LIST}")
        return tuple(Fields({"name": item}, f"{self._where}.{name}").name("name") for item in value)

    def section(self, name: str) -> Fields:
        return self._nested(name, self.get(name, {}))

    def _nested(self, name: str, value: Any) -> Fields:
        if type(value) is not dict:
            raise self.fail(name, "must be a map")
        return Fields(value, f"{self._where}.{name}", code=self.code, job=self.job)

    def holds(self, name: str) -> bool:
        """Whether the field is there, nil or not."""
        return name in self._fields

    def has(self, name: str) -> bool:
        """Whether the field is there and is not nil."""
        return self.get(name, None) is not None
