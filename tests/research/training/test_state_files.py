from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lama_core.research.training.state_files import StateError, find_state, read_state, write_state


def state(seed: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return {"weights": torch.randn(3000)}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_state_is_one_file_or_as_many_as_it_takes(tmp_path: Path) -> None:
    write_state(state(0), tmp_path, step=7)
    assert names(tmp_path) == ["last.pt"]
    write_state(state(1), tmp_path, step=8, part_bytes=5000)
    assert names(tmp_path) == [f"last-00000008.{number}of3" for number in (1, 2, 3)]
    assert all(path.stat().st_size <= 5000 for path in tmp_path.iterdir())
    assert torch.equal(read_state(find_state(tmp_path))["weights"], state(1)["weights"])
    write_state(state(2), tmp_path, step=9, part_bytes=1 << 20)
    assert names(tmp_path) == ["last.pt"]
    assert torch.equal(read_state(find_state(tmp_path))["weights"], state(2)["weights"])


def test_ten_parts_are_put_together_in_order(tmp_path: Path) -> None:
    write_state(state(3), tmp_path, step=1, part_bytes=1200)
    found = find_state(tmp_path)
    assert len(found) > 10
    assert torch.equal(read_state(found)["weights"], state(3)["weights"])


def test_a_save_that_was_cut_short_leaves_the_one_before(tmp_path: Path) -> None:
    write_state(state(0), tmp_path, step=10, part_bytes=5000)
    later = tmp_path / "later"
    later.mkdir()
    write_state(state(1), later, step=20, part_bytes=5000)
    for path in sorted(later.iterdir())[:-1]:  # all parts but the last got there
        os.replace(path, tmp_path / path.name)
    assert torch.equal(read_state(find_state(tmp_path))["weights"], state(0)["weights"])
    (later / "last-00000020.3of3").replace(tmp_path / "last-00000020.3of3")
    os.utime(tmp_path / "last-00000020.3of3", ns=(2**61, 2**61))
    assert torch.equal(read_state(find_state(tmp_path))["weights"], state(1)["weights"])


def test_nothing_is_found_where_there_is_nothing(tmp_path: Path) -> None:
    assert find_state(tmp_path) == ()
    assert find_state(tmp_path / "none") == ()


def test_parts_that_do_not_fit_are_no_state(tmp_path: Path) -> None:
    write_state(state(0), tmp_path, step=10, part_bytes=5000)
    first, *_ = find_state(tmp_path)
    first.write_bytes(b"x" * first.stat().st_size)
    with pytest.raises(StateError, match="is not a run that can be resumed"):
        read_state(find_state(tmp_path))


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be written to"):
        write_state(state(0), tmp_path / "none", step=1)
