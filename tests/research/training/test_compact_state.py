from __future__ import annotations

import torch

from lama_core.research.training.compact_state import compact_optimizer, compact_weights, expand_optimizer


def test_compact_weights_are_exact_to_eleven_bits_and_keep_what_is_too_large() -> None:
    weights = {"a": torch.tensor([1.0, 1 / 3, -2e-3]), "b": torch.tensor([1e6]), "n": torch.tensor(3)}
    light = compact_weights(weights)
    assert light["a"].dtype == torch.float16
    assert torch.allclose(light["a"].float(), weights["a"], rtol=2**-11)
    assert torch.equal(light["b"], weights["b"])
    assert torch.equal(light["n"], weights["n"])


def test_a_compact_optimizer_remembers_the_scale_of_every_gradient() -> None:
    parameter = torch.nn.Parameter(torch.ones(4))
    optimizer = torch.optim.AdamW([parameter], lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        (parameter * torch.tensor([1e-6, 1.0, 50.0, 1e4])).sum().backward()
        optimizer.step()
    whole = optimizer.state_dict()
    again = expand_optimizer(compact_optimizer(whole))
    before, after = whole["state"][0], again["state"][0]
    assert torch.allclose(after["exp_avg_sq"], before["exp_avg_sq"], rtol=2**-7)
    assert torch.equal(after["exp_avg"], torch.zeros(4))
    assert after["step"] == before["step"]
    optimizer.load_state_dict(again)
    assert torch.equal(expand_optimizer(whole)["state"][0]["exp_avg"], before["exp_avg"])
