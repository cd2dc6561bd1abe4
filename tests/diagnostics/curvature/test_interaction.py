"""tr(H S_b) against every batch there is."""

from itertools import combinations
from itertools import product as every

import pytest
import torch

from sgdlab.diagnostics.curvature.interaction import exact_interaction, interaction
from sgdlab.diagnostics.curvature.products import HessianProduct
from sgdlab.errors import UserError


def of_batches(small, examples, batches):
    """Mean of g_bᵀ H g_b over batches, with the Hessian of all these examples."""
    rows = torch.autograd.functional.hessian(lambda w: small.loss_at(w, examples), small.point)
    gradients = small.example_gradients()[examples]
    values = [g @ rows @ g for g in (gradients[list(batch)].mean(dim=0) for batch in batches)]
    return torch.stack(values).mean().item()


@pytest.mark.parametrize("size", [1, 2, 4, 7])
def test_without_replacement_it_is_the_mean_over_all_batches(small, size):
    examples = torch.arange(7)
    found = exact_interaction(HessianProduct(small.risk().on(examples))).with_batches(size)
    expected = of_batches(small, examples, combinations(range(7), size))
    assert found.value.item() == pytest.approx(expected, rel=1e-9)


def test_with_replacement_it_is_the_mean_over_all_draws(small):
    examples = torch.arange(5)
    found = exact_interaction(HessianProduct(small.risk().on(examples))).with_batches(3, "with")
    expected = of_batches(small, examples, every(range(5), repeat=3))
    assert found.value.item() == pytest.approx(expected, rel=1e-9)


def test_the_estimate_is_unbiased_and_knows_its_error(small):
    product = HessianProduct(small.risk())
    exact = exact_interaction(product)
    estimates = [interaction(product, num_groups=6, seed=seed) for seed in range(40)]
    values = torch.tensor([e.of_examples.value.item() for e in estimates])
    stated = torch.tensor([e.of_examples.standard_error.item() for e in estimates]).square().mean().sqrt()
    assert abs(values.mean() - exact.of_examples.value.item()) < 3 * values.std() / 40**0.5
    assert stated / values.std() == pytest.approx(1, abs=0.3)  # 40 seeds know a deviation to 11 %
    assert estimates[0].of_mean.item() == pytest.approx(exact.of_mean.item())


def test_groups_count_as_probes(small):
    """A larger set, groups alike: 8 groups scatter far less than one."""
    product = HessianProduct(small.risk().on(torch.arange(23).repeat(8)))
    spread = {
        groups: torch.tensor(
            [
                interaction(product, num_groups=groups, num_passes=2, seed=s).of_examples.value.item()
                for s in range(30)
            ]
        ).std()
        for groups in (1, 8)
    }
    assert spread[8] < 0.6 * spread[1]


def test_the_l2_term_enters_gradients_and_curvature(small):
    risk = small.risk()
    with_l2 = type(risk)(
        risk.outputs,
        risk.losses,
        risk.parameters,
        torch.arange(6),
        3,
        torch.tensor([0.3], dtype=torch.float64),
    )
    hessian = torch.autograd.functional.hessian(lambda w: small.loss_at(w, slice(0, 6)), small.point)
    hessian += 0.3 * torch.eye(35)
    gradients = small.example_gradients()[:6] + 0.3 * small.point
    expected = torch.einsum("ni,ij,nj->n", gradients, hessian, gradients).mean().item()
    assert exact_interaction(HessianProduct(with_l2)).of_examples.value.item() == pytest.approx(expected)
    found = [interaction(HessianProduct(with_l2), seed=s).of_examples.value.item() for s in range(30)]
    mean, error = torch.tensor(found).mean(), torch.tensor(found).std() / 30**0.5
    assert abs(mean - expected) < 3 * error


def test_impossible_batches_are_refused(small):
    found = exact_interaction(HessianProduct(small.risk().on(torch.arange(3))))
    with pytest.raises(UserError, match="batch_size=4 must be at most the 3 examples"):
        found.with_batches(4)
    with pytest.raises(UserError, match="batch_size=0 must be at least 1"):
        found.with_batches(0, "with")
    with pytest.raises(UserError, match="num_passes=1 must be at least 2"):
        interaction(HessianProduct(small.risk()), num_passes=1)
    with pytest.raises(UserError, match="num_groups=0 must be at least 1"):
        interaction(HessianProduct(small.risk()), num_groups=0)
