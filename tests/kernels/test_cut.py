"""Minimum cuts, in the kernels and in numpy, against trying all of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip(
    "lama_fill_kernels", reason="the kernels are not built: pip install --no-build-isolation ./kernels"
)

from lama_core.fill.montage.cut import Numbers, cut_by_kernels, cut_by_numpy

Graph = tuple[Numbers, Numbers, Numbers]


def grid(height: int, width: int, most: int, terminals: float, seed: int) -> Graph:
    """A grid with random capacities, and with terminals at a share of its nodes."""
    chance = np.random.default_rng(seed)
    number = np.arange(height * width, dtype=np.int32).reshape(height, width)
    beside = np.full((height, width, 4), -1, np.int32)
    beside[:, 1:, 0], beside[:, :-1, 1] = number[:, :-1], number[:, 1:]
    beside[1:, :, 2], beside[:-1, :, 3] = number[:-1], number[1:]
    capacity = np.where(beside < 0, 0, chance.integers(0, most + 1, beside.shape)).astype(np.int32)
    excess = chance.integers(-3 * most, 3 * most + 1, (height, width)).astype(np.int32)
    excess[chance.random(excess.shape) >= terminals] = 0
    return beside.reshape(-1, 4), capacity.reshape(-1, 4), excess.ravel()


def least_cut(graph: Graph) -> list[bool]:
    """The least of all cuts; of several that with the fewest nodes on the source's side."""
    beside, capacity, excess = (x.tolist() for x in graph)

    def cost(side: tuple[bool, ...]) -> int:
        cut = sum(max(0, -have) if on else max(0, have) for on, have in zip(side, excess, strict=True))
        for node, on in enumerate(side):
            cut += sum(
                capacity[node][direction]
                for direction, other in enumerate(beside[node])
                if on and other >= 0 and not side[other]
            )
        return cut

    sides = itertools.product((False, True), repeat=len(excess))
    return list(min(sides, key=lambda side: (cost(side), sum(side))))


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 3),
    width=st.integers(1, 4),
    most=st.sampled_from((1, 3, 1000)),
    terminals=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_no_cut_is_smaller(height: int, width: int, most: int, terminals: float, seed: int) -> None:
    graph = grid(height, width, most, terminals, seed)
    least = least_cut(graph)
    assert cut_by_kernels(*graph).tolist() == least
    assert cut_by_numpy(*graph).tolist() == least


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    most=st.sampled_from((1, 20, 2**20)),
    terminals=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_both_find_the_same(height: int, width: int, most: int, terminals: float, seed: int) -> None:
    graph = grid(height, width, most, terminals, seed)
    assert (cut_by_kernels(*graph) == cut_by_numpy(*graph)).all()


def test_what_is_given_stays_as_it_is() -> None:
    graph = grid(9, 9, 50, 0.5, 0)
    before = [x.copy() for x in graph]
    cut_by_kernels(*graph)
    cut_by_numpy(*graph)
    assert all((x == y).all() for x, y in zip(graph, before, strict=True))


def test_of_no_nodes_there_is_a_cut() -> None:
    nothing = np.empty((0, 4), np.int32), np.empty((0, 4), np.int32), np.empty(0, np.int32)
    assert cut_by_kernels(*nothing).size == 0
    assert cut_by_numpy(*nothing).size == 0
