"""A queue that is fair between clients: each client's turn comes once a round, whatever it has waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class FairQueue(Generic[Item]):
    """Items of several clients, taken round robin; those of one client in the order in which they came."""

    def __init__(self, may_run: Callable[[Hashable], bool] = lambda client: True) -> None:
        """Begin empty. `may_run`: whether a client's turn counts; else its items stay where they are."""
        self._may_run = may_run
        # Clients in the order of their turns; a client that has nothing waiting is not in it.
        self._lines: dict[Hashable, deque[Item]] = {}
        self._client_of: dict[Item, Hashable] = {}

    def __len__(self) -> int:
        return len(self._client_of)

    def __contains__(self, item: object) -> bool:
        return item in self._client_of

    def __iter__(self) -> Iterator[Item]:
        """All items, in no order that means anything."""
        return iter(tuple(self._client_of))

    def push(self, client: Hashable, item: Item) -> None:
        """Put `item` at the end of its client's line."""
        self._lines.setdefault(client, deque()).append(item)
        self._client_of[item] = client

    def push_first(self, client: Hashable, item: Item) -> None:
        """Put `item` before all others, of its client and of the others."""
        line = self._lines.pop(client, deque())
        line.appendleft(item)
        self._lines = {client: line, **self._lines}
        self._client_of[item] = client

    def peek(self) -> Item | None:
        """The item that `pop` would take, or None."""
        client = self._next_client()
        return None if client is None else self._lines[client][0]

    def _next_client(self) -> Hashable | None:
        return next(filter(self._may_run, self._lines), None)

    def pop(self) -> Item | None:
        """Take the next item; its client's next turn is after everybody else's. None when empty."""
        client = self._next_client()
        if client is None:
            return None
        line = self._lines.pop(client)
        item = line.popleft()
        del self._client_of[item]
        if line:
            self._lines[client] = line
        return item

    def remove(self, item: Item) -> bool:
        """Take `item` out, wherever it is; False when it is not here."""
        client = self._client_of.pop(item, None)
        if client is None:
            return False
        line = self._lines[client]
        line.remove(item)
        if not line:
            del self._lines[client]
        return True

    def position(self, item: Item) -> int:
        """How many items will be taken before `item`, if nothing new comes; 0 for one that is not here."""
        if item not in self._client_of:
            return 0
        own = self._client_of[item]
        rounds = self._lines[own].index(item)
        before = rounds
        ahead = True
        for client, line in self._lines.items():
            if client == own:
                ahead = False
            else:
                before += min(len(line), rounds + ahead)
        return before
