"""The floor counts every product of a step: the oracle is torch's own count of operations of that step."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from performance.floors import products_of
from performance.torch_networks import build
from performance.work import Work


def work_of(is_penalised: bool) -> Work:
    model = {"kind": "mlp", "hidden_widths": [24, 16]}
    return Work("MLP", "mnist1d", model, batch_size=8, num_runs=3, is_penalised=is_penalised)


@pytest.mark.parametrize("is_penalised", [False, True])
def test_products_are_those_of_automatic_differentiation(is_penalised: bool) -> None:
    work = work_of(is_penalised)
    network, inputs, labels = build(work), torch.randn(8, 40), torch.arange(8)
    parameters = list(network.parameters())
    with FlopCounterMode(display=False) as counter:
        loss = F.cross_entropy(network(inputs), labels)
        gradients = torch.autograd.grad(loss, parameters, create_graph=is_penalised)
        if is_penalised:
            (loss + sum(g.square().sum() for g in gradients)).backward()
    counted = counter.get_total_flops()
    assert sum(product.flop for product in products_of(work)) == counted


def test_the_modified_loss_takes_almost_three_plain_steps_of_arithmetic() -> None:
    model = {"kind": "mlp", "hidden_widths": [64, 64, 64]}
    plain = Work("MLP", "mnist1d", model, batch_size=16, num_runs=1)
    exact = Work("MLP", "mnist1d", model, batch_size=16, num_runs=1, is_penalised=True)
    flop = [sum(product.flop for product in products_of(work)) for work in (plain, exact)]
    assert flop == [1_011_712, 2_871_296]
