from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lama_server.fair_queue import FairQueue

Steps = st.lists(st.tuples(st.sampled_from(["push", "pop", "remove"]), st.integers(0, 4)), max_size=60)


def _drain(queue: FairQueue[tuple[int, int]]) -> list[tuple[int, int]]:
    items = []
    while (item := queue.pop()) is not None:
        items.append(item)
    return items


def _drain_words(queue: FairQueue[str]) -> list[str]:
    items = []
    while (item := queue.pop()) is not None:
        items.append(item)
    return items


def test_clients_take_turns() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "a3", "b1", "c1", "c2"):
        queue.push(item[0], item)
    taken = [queue.pop() for _ in range(6)]
    assert taken == ["a1", "b1", "c1", "a2", "c2", "a3"]
    assert queue.pop() is None


def test_an_item_that_is_put_first_is_the_next_and_then_all_goes_on() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "b1"):
        queue.push(item[0], item)
    assert queue.pop() == "a1"
    queue.push_first("a", "a1")
    queue.push_first("c", "c1")
    assert queue.peek() == "c1"
    assert queue.position("a1") == 1
    assert _drain_words(queue) == ["c1", "a1", "b1", "a2"]


def test_a_turn_that_was_had_is_not_had_again_by_emptying_the_line() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push("a", "a1")
    queue.push("b", "b1")
    queue.push("b", "b2")
    assert queue.pop() == "a1"
    queue.push("a", "a2")
    assert [queue.pop() for _ in range(3)] == ["b1", "a2", "b2"]


@given(Steps)
def test_positions_and_order_are_right_after_anything(steps: list[tuple[str, int]]) -> None:
    queue: FairQueue[tuple[int, int]] = FairQueue()
    inside: list[tuple[int, int]] = []
    for number, (step, client) in enumerate(steps):
        if step == "push":
            queue.push(client, (client, number))
            inside.append((client, number))
        elif step == "pop":
            ahead = queue.peek()
            item = queue.pop()
            assert item == ahead
            assert (item is None) == (not inside)
            if item is not None:
                # Nobody's later item goes before an earlier one of the same client.
                assert item == next(other for other in inside if other[0] == item[0])
                inside.remove(item)
        else:
            item = next((other for other in inside if other[0] == client), (client, -1))
            assert queue.remove(item) == (item in inside)
            if item in inside:
                inside.remove(item)
        assert len(queue) == len(inside)
        assert set(queue) == set(inside)
    positions = {item: queue.position(item) for item in inside}
    order = _drain(queue)
    assert sorted(order) == sorted(inside)
    assert positions == {item: index for index, item in enumerate(order)}
    # Fair: between two items of one client, no other client has more than two.
    for first, item in enumerate(order):
        later = [index for index in range(first + 1, len(order)) if order[index][0] == item[0]]
        between = [other[0] for other in order[first + 1 : later[0]]] if later else []
        assert all(between.count(client) <= 1 for client in set(between))
