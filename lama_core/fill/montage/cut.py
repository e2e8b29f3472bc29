"""Minimum cuts of graphs in which each node has four neighbours at most, as in a grid.

Of several minimum cuts the one with the fewest nodes on the source's side is taken. It is the same whatever
the algorithm, so that there are two: the kernels' by augmenting paths, and one on whole arrays.
"""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from lama_core import kernels
from lama_core.image.pixels import Mask

Numbers = NDArray[np.int32]


def minimum_cut(beside: Numbers, capacity: Numbers, excess: Numbers) -> Mask:
    """Which nodes are on the source's side of a minimum cut, as few as can be.

    Args:
        beside: (N, 4), the neighbours of each node, -1 where there is none. What is in direction d of a node
            has that node in its direction d ^ 1.
        capacity: (N, 4), 0 or more, towards each; there and back together less than 2^31.
        excess: (N,), how much more of a node's capacity is from the source than to the sink.

    Returns:
        (N,).
    """
    cut = cut_by_kernels if kernels.available() else cut_by_numpy
    return cut(beside, capacity, excess)


def cut_by_kernels(beside: Numbers, capacity: Numbers, excess: Numbers) -> Mask:
    """As `minimum_cut`."""
    from lama_fill_kernels import CUT_SCRATCH, CutJob, library

    count = len(excess)
    reached = np.empty(count, np.bool_)
    given = (np.ascontiguousarray(beside), capacity.copy(), excess.copy())
    scratch = np.empty(CUT_SCRATCH * count, np.uint8)
    job = CutJob(count, *(x.ctypes.data for x in given), reached.ctypes.data, scratch.ctypes.data)
    library.lfk_cut(ctypes.addressof(job))
    return reached


def cut_by_numpy(beside: Numbers, capacity: Numbers, excess: Numbers) -> Mask:
    """As `minimum_cut`, by pushing all that flows down the distances from its end, and measuring these again.

    It flows backwards, from the sink to the source: then what can still reach the source when nothing more
    flows is the smallest of the source's sides (Goldberg and Tarjan, 1988, "A new approach to the
    maximum-flow problem").
    """
    room = np.empty_like(capacity)  # of the reversed edge: from a node in direction d
    for direction in range(4):
        there = beside[:, direction] >= 0
        room[:, direction] = np.where(there, capacity[beside[:, direction], direction ^ 1], 0)
    waiting = np.maximum(-excess, 0)
    end = np.maximum(excess, 0)
    while True:
        levels, distance = _levels(beside, room, end)
        moved = False
        for away in reversed(range(len(levels))):
            nodes = levels[away][waiting[levels[away]] > 0]
            moved |= len(nodes) > 0
            if away == 0:
                flow = np.minimum(waiting[nodes], end[nodes])
                waiting[nodes] -= flow
                end[nodes] -= flow
                continue
            for direction in range(4):
                other = beside[nodes, direction]
                nearer = (other >= 0) & (distance[other] == away - 1)
                flow = np.where(nearer, np.minimum(waiting[nodes], room[nodes, direction]), 0)
                waiting[nodes] -= flow
                room[nodes, direction] -= flow
                waiting[other[nearer]] += flow[nearer]
                room[other[nearer], direction ^ 1] += flow[nearer]
        if not moved:
            reached: Mask = distance >= 0
            return reached


def _levels(beside: Numbers, room: Numbers, end: Numbers) -> tuple[list[NDArray[np.intp]], Numbers]:
    """The nodes by their steps from one with an open end, and these steps; -1: it cannot be reached."""
    distance = np.where(end > 0, np.int32(0), np.int32(-1))
    levels = [np.flatnonzero(end > 0)]
    while len(levels[-1]):
        found = []
        for direction in range(4):
            other = beside[levels[-1], direction]
            other = other[other >= 0]
            other = other[(distance[other] < 0) & (room[other, direction ^ 1] > 0)]
            distance[other] = len(levels)
            found.append(other)
        levels.append(np.concatenate(found))
    return levels[:-1], distance
