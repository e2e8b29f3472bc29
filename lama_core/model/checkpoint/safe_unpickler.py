"""Reading a pickle without running it.

A pickle is a program for a small stack machine, and two of its instructions call whatever function the file
names. This machine has no such instructions: it imports nothing and calls nothing that a file could choose. A
class or a function is only ever its name (`Global`), and what would have been made with it is an `Opaque`
object that keeps the state it was given. For names that it knows the caller gives a `Constructor`.

Hostile input is bounded as well: in the number of instructions (each makes at most one small object), in the
bytes read, and in what may be a key of a dictionary (hashing nested tuples can take forever).
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Protocol, cast

MAX_OPCODES = 2_000_000
"""The official checkpoint of big-lama has about 50,000."""
MAX_BYTES = 64 << 20
"""Of one pickle, the tensors' own data not counted."""
_MAX_LINE = 4096


class BadPickleError(Exception):
    """The bytes are no pickle, or one beyond the bounds. The message says which."""


@dataclass(frozen=True, slots=True)
class Global:
    """The name of a class or function. Nothing is imported."""

    module: str
    name: str


class Opaque:
    """An object of a class that is not known here: nothing but the state that the file gave it."""

    __slots__ = ("items", "name", "state")

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: object = None
        self.items: dict[object, object] = {}


Constructor = Callable[[tuple[object, ...]], object]
"""Makes an object of the arguments that a file gives; a ValueError says that they do not fit."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...
    def readline(self, size: int, /) -> bytes: ...
    def tell(self) -> int: ...


class _Bounded:
    """A stream of which no more can be read than a pickle may be long."""

    def __init__(self, stream: _Readable) -> None:
        self._stream = stream
        self._left = MAX_BYTES

    def read(self, size: int) -> bytes:
        # A size that is too large gives less than was asked for, which the decoder reports as a cut.
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data

    def readline(self) -> bytes:
        data = self._stream.readline(min(_MAX_LINE, self._left))
        self._left -= len(data)
        return data

    def tell(self) -> int:
        return self._stream.tell()


def read_pickle(
    stream: _Readable,
    *,
    constructors: Mapping[Global, Constructor],
    persistent: Callable[[object], object],
) -> object:
    """Read the next pickle of `stream`, which is left just behind it.

    Args:
        stream: bytes, at the start of a pickle of protocol 0 to 5.
        constructors: what to make where the file calls one of these names.
        persistent: gives the object for a persistent id.

    Returns:
        What was pickled: numbers, strings, bytes, None, lists, tuples, dicts, what `constructors` and
        `persistent` made, and `Global` and `Opaque` for all the rest.

    Raises:
        BadPickleError: no pickle, cut short, or beyond the bounds.
    """
    machine = _Machine(constructors, persistent)
    source = cast("IO[bytes]", _Bounded(stream))  # it uses read, readline and tell alone
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(source)):
            if count > MAX_OPCODES:
                raise BadPickleError("it has too many instructions")
            machine.step(opcode.name, argument)
        return machine.result()
    except (ValueError, IndexError, KeyError) as error:
        # ValueError: the decoder, which knows every form of instruction; the others: an empty stack, an unset
        # memo.
        raise BadPickleError("its pickle is cut short or damaged") from error


class _Machine:
    def __init__(
        self, constructors: Mapping[Global, Constructor], persistent: Callable[[object], object]
    ) -> None:
        self._constructors = constructors
        self._persistent = persistent
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}

    def result(self) -> object:
        return self._stack.pop()

    def step(self, opcode: str, argument: object) -> None:
        """One instruction. `argument` is what `pickletools` decoded with it."""
        stack = self._stack
        match opcode:
            case "BINGET" | "LONG_BINGET" | "GET":
                stack.append(self._memo[_index(argument)])
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                self._memo[_index(argument)] = stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "MARK":
                self._marks.append(len(stack))
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self._pack(int(opcode[-1]))
            case "TUPLE":
                stack.append(tuple(self._pop_to_mark()))
            case "EMPTY_LIST":
                stack.append([])
            case "LIST":
                stack.append(self._pop_to_mark())
            case "EMPTY_DICT":
                stack.append({})
            case "DICT":
                values = self._pop_to_mark()
                made: dict[object, object] = {}
                _set_items(made, values)
                stack.append(made)
            case "EMPTY_SET":
                stack.append(Opaque("builtins.set"))
            case "FROZENSET":
                self._pop_to_mark()
                stack.append(Opaque("builtins.frozenset"))
            case "APPEND":
                value = stack.pop()
                _extend(stack[-1], [value])
            case "APPENDS" | "ADDITEMS":
                values = self._pop_to_mark()
                _extend(stack[-1], values)
            case "SETITEM":
                value = stack.pop()
                key = stack.pop()
                _set_items(stack[-1], [key, value])
            case "SETITEMS":
                values = self._pop_to_mark()
                _set_items(stack[-1], values)
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(opcode == "NEWTRUE")
            case "GLOBAL":
                stack.append(_global(argument))
            case "STACK_GLOBAL":
                name = stack.pop()
                module = stack.pop()
                is_name = isinstance(module, str) and isinstance(name, str)
                stack.append(Global(str(module), str(name)) if is_name else Opaque("global"))
            case "EXT1" | "EXT2" | "EXT4":
                stack.append(Opaque("extension"))
            case "REDUCE" | "NEWOBJ":
                arguments = stack.pop()
                stack.append(self._make(stack.pop(), arguments))
            case "NEWOBJ_EX":
                stack.pop()  # keyword arguments: nothing known here takes any
                arguments = stack.pop()
                stack.append(self._make(stack.pop(), arguments))
            case "INST":
                stack.append(self._make(_global(argument), tuple(self._pop_to_mark())))
            case "OBJ":
                values = self._pop_to_mark()
                stack.append(self._make(values[0], tuple(values[1:])))
            case "BUILD":
                state = stack.pop()
                target = stack[-1]
                if isinstance(target, Opaque):
                    target.state = state
            case "BINPERSID":
                stack.append(self._persistent(stack.pop()))
            case "PERSID":
                stack.append(self._persistent(argument))
            case "DUP":
                stack.append(stack[-1])
            case "POP":
                # As in Python's own machine, a mark on top is what gets removed.
                if self._marks and self._marks[-1] == len(stack):
                    self._marks.pop()
                else:
                    stack.pop()
            case "POP_MARK":
                self._pop_to_mark()
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "NEXT_BUFFER" | "READONLY_BUFFER":
                raise BadPickleError("its pickle expects data from outside of the file")
            case _:
                stack.append(argument)  # all the rest are literals: numbers, strings, bytes

    def _make(self, what: object, arguments: object) -> object:
        if not isinstance(what, Global):
            return Opaque("object")
        constructor = self._constructors.get(what)
        if constructor is not None and isinstance(arguments, tuple):
            try:
                return constructor(arguments)
            except ValueError:
                pass  # of no use, then; it is missed by name if it should have been one of the weights
        return Opaque(f"{what.module}.{what.name}")

    def _pack(self, count: int) -> None:
        if len(self._stack) < count:
            raise IndexError("stack underflow")
        values = tuple(self._stack[-count:])
        del self._stack[-count:]
        self._stack.append(values)

    def _pop_to_mark(self) -> list[object]:
        mark = self._marks.pop()
        values = self._stack[mark:]
        del self._stack[mark:]
        return values


def _index(argument: object) -> int:
    if not isinstance(argument, int):
        raise ValueError("a memo index is a number")
    return argument


def _global(argument: object) -> Global:
    module, _, name = str(argument).partition(" ")
    return Global(module, name)


def _extend(target: object, values: list[object]) -> None:
    if isinstance(target, list):
        target.extend(values)
    elif not isinstance(target, Opaque):
        raise ValueError("only a list can be appended to")


def _set_items(target: object, values: list[object]) -> None:
    """Set `values`, alternating keys and values, in a dict or in what stands for an unknown kind of dict."""
    items = target.items if isinstance(target, Opaque) else target
    if not isinstance(items, dict):
        raise ValueError("only a dict can have items set")
    for key, value in zip(values[::2], values[1::2], strict=True):
        plain = key is None or isinstance(key, (str, bytes, int, float, Global, Opaque))
        items[key if plain else Opaque("key")] = value
