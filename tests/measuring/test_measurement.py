"""What `measure` tells, against dense matrices of the same small network."""

import math

import pytest
import torch
import torch.nn.functional as F

from sgdlab.config.schema import Run
from sgdlab.data.dataset import Dataset
from sgdlab.data.examples import ResidentExamples
from sgdlab.data.pipeline import ResidentPipeline
from sgdlab.errors import UserError
from sgdlab.measuring.measurement import Effort, measure_model
from sgdlab.measuring.stored_model import StoredModel
from sgdlab.measuring.view import figures, record, rows


@pytest.fixture(scope="module")
def measured():
    run = Run(
        precision="float64",
        data={"kind": "mnist1d", "num_train": 30, "num_test": 5},
        model={"kind": "mlp", "hidden_widths": [2], "activation": "tanh"},
        loss={"kind": "cross_entropy", "l2": 0.1},
        regularizer={"kind": "none"},
        optimizer={"lr": 0.5, "batch_size": 5},
        schedule={"kind": "constant"},
        budget={"kind": "updates", "num_updates": 10},
        evaluation={"kind": "updates", "every_num_updates": 10},
    )
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    inputs, labels = draw(35, 40), torch.arange(35) % 10
    dataset = Dataset(inputs[:30], labels[:30], inputs[30:], labels[30:], "made up")
    shapes = {"weight0": (40, 2), "bias0": (2,), "weight1": (2, 10), "bias1": (10,)}
    parameters = {name: draw(*shape) for name, shape in shapes.items()}
    pipeline = ResidentPipeline(run.data, dataset, torch.device("cpu"), torch.float64)
    stages = []
    found = measure_model(
        StoredModel("k" * 32, run, parameters, 10), pipeline, Effort(3, 1e-9, 60), stages.append
    )
    assert len(stages) == 6

    def cost(flat, examples=slice(0, 30)):
        w0, b0, w1, b1 = torch.split(flat, [80, 2, 20, 10])
        logits = torch.tanh(inputs[examples] @ w0.view(40, 2) + b0) @ w1.view(2, 10) + b1
        return F.cross_entropy(logits, labels[examples]) + 0.05 * flat.square().sum()

    point = torch.cat([parameters[name].flatten() for name in shapes])
    hessian = torch.autograd.functional.hessian(cost, point)
    gradients = torch.stack(
        [
            torch.autograd.functional.jacobian(lambda w, i=i: cost(w, slice(i, i + 1)), point)
            for i in range(30)
        ]
    )
    return found, cost(point).item(), hessian, gradients


def test_every_number_is_that_of_the_dense_matrices(measured):
    found, cost, hessian, gradients = measured
    mean = gradients.mean(dim=0)
    scatter = gradients - mean
    values, vectors = torch.linalg.eigh(hessian)
    told = record(found)
    assert told["cost"] == pytest.approx(cost)
    assert told["gradient_norm_sq"] == pytest.approx(mean.square().sum().item())
    assert told["noise_trace"] == pytest.approx(scatter.square().sum(dim=1).mean().item())
    directions = gradients / gradients.norm(dim=1, keepdim=True)
    assert told["resultant_length"] == pytest.approx(directions.mean(dim=0).norm().item())
    assert told["hessian"]["eigenvalues"] == pytest.approx(values.flip(0)[:3].tolist())
    covariance = torch.linalg.eigvalsh(scatter.T @ scatter / 30).flip(0)
    assert told["gradient_covariance"]["eigenvalues"] == pytest.approx(covariance[:3].tolist())
    assert told["alignment"] == pytest.approx((vectors[:, -1] @ mean).abs().item() / mean.norm().item())
    assert told["interaction_of_mean"] == pytest.approx((mean @ hessian @ mean).item())
    each = torch.einsum("ni,ij,nj->n", gradients, hessian, gradients).mean().item()
    for name, expected in (("hessian_trace", hessian.trace().item()), ("interaction_of_examples", each)):
        assert abs(told[name]["value"] - expected) < 4 * told[name]["standard_error"], name
        assert told[name]["standard_error"] < 0.1 * abs(expected)
    by_size = {row["batch_size"]: row for row in told["by_batch_size"]}
    second = mean.square().sum() + 25 / 29 / 5 * scatter.square().sum(dim=1).mean()
    assert by_size[30]["interaction"]["value"] == pytest.approx(told["interaction_of_mean"])
    assert found.moments.second_moment_trace(5).value.item() == pytest.approx(second.item())


def test_more_examples_than_there_are_is_refused(measured):
    model, pipeline = measured[0].model, ResidentPipeline.__new__(ResidentPipeline)
    pipeline.train = ResidentExamples(
        torch.zeros(30, 40, dtype=torch.float64), torch.zeros(30, dtype=torch.int64)
    )
    with pytest.raises(UserError, match="examples=41 is more than the 30 of the training set"):
        measure_model(model, pipeline, Effort(num_examples=41))


def test_the_table_says_them_too(measured):
    found, _, hessian, _ = measured
    table = {name: (value, error) for name, value, error in rows(found)}
    assert float(table["λ_1 of H"][0]) == pytest.approx(torch.linalg.eigvalsh(hessian)[-1].item(), rel=1e-3)
    assert table["ρ_b, b = 5"][1] == ""
    assert float(table["tr H"][1]) > 0
    bound = 2 / 0.5 * found.moments.concentration(5).value.item()
    assert float(table["2ρ_b/ε, ε = 0.5: stable below"][0]) == pytest.approx(bound, rel=1e-3)


def test_figures_show_the_spectrum_and_every_batch_size(measured):
    found, _, hessian, _ = measured
    drawn = figures(found)
    (density,) = drawn["spectrum"].panels[0].series
    step = density.x[1] - density.x[0]
    counted = sum(value or 0 for value in density.mean) * step
    assert counted == pytest.approx(len(hessian), rel=0.02)  # 112 eigenvalues lie under the curve
    noise, interaction = drawn["batch-size"].panels
    assert noise.series[0].x == (1, 2, 4, 8, 16, 30)
    sharpness, bound = interaction.series
    assert bound.mean[-1] == pytest.approx(2 / 0.5)
    assert all(math.isfinite(value) for value in sharpness.mean)
