"""What a run reports, measured again on its final parameters with torch's own modules and plain loops."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sgdlab.config.models import MlpModel
from sgdlab.training.streams import stream


def flat_gradient(network, loss) -> torch.Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(network.parameters()))])


@pytest.mark.parametrize("options", [{}, {"l2": 0.1}, {"l2": 0.1, "strength": 0.2}, {"batch_size": 32}])
def test_the_last_evaluation_is_that_of_the_final_parameters(
    make_run, make_dataset, train, plain_network, options
) -> None:
    run = make_run(num_updates=6, every=4, **options)  # N = 32 is no multiple of B = 5
    (trained,) = train([run], statistics="end").runs
    network = plain_network(run, trained.parameters)
    dataset = make_dataset(run.data)

    def cost(examples):
        logits = network(dataset.train_inputs[examples].double())
        decay = run.loss.l2 / 2 * sum((p**2).sum() for p in network.parameters())
        return F.cross_entropy(logits, dataset.train_labels[examples]) + decay

    partition = torch.randperm(32, generator=stream(0, "partition")).split(run.optimizer.batch_size)
    full = [examples for examples in partition if len(examples) == run.optimizer.batch_size]
    norms = [(flat_gradient(network, cost(examples)) ** 2).sum().item() for examples in full]
    everything = torch.arange(32)
    with torch.no_grad():
        test_logits = network(dataset.test_inputs.double())
        train_logits = network(dataset.train_inputs.double())
    correct = (test_logits.argmax(dim=1) == dataset.test_labels).numpy()
    expected = {
        "test_accuracy.final": correct.mean(),
        "test_accuracy_even.final": correct[0::2].mean(),
        "test_accuracy_odd.final": correct[1::2].mean(),
        "test_loss.final": F.cross_entropy(test_logits, dataset.test_labels).item(),
        "train_accuracy.final": (train_logits.argmax(dim=1) == dataset.train_labels).double().mean().item(),
        "train_loss.final": F.cross_entropy(train_logits, dataset.train_labels).item(),
        "train_cost.final": cost(everything).item(),
        "gradient_norm_sq.final": (flat_gradient(network, cost(everything)) ** 2).sum().item(),
        "c_reg.final": sum(norms) / (4 * len(norms)),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(trained.summary[name], value, rtol=1e-10, err_msg=name)
    np.testing.assert_array_equal(trained.curves["correct_final"], np.packbits(correct))


def test_measuring_leaves_no_trace_on_the_training(make_run, train) -> None:
    options = {"strength": 0.1, "estimator": "forward_difference", "num_updates": 40}
    often, once = (make_run(every=every, **options) for every in (1, 40))
    measured = train([often], statistics="evaluations").runs[0]
    alone = train([once], statistics="none").runs[0]
    assert all(torch.equal(measured.parameters[name], alone.parameters[name]) for name in alone.parameters)


def test_the_error_of_differences_is_reported_along_the_run(make_run, train) -> None:
    smooth = MlpModel(hidden_widths=(7, 10), activation="tanh")
    kinked = MlpModel(hidden_widths=(30, 30))
    options = {"strength": 0.1, "num_updates": 40, "every": 10}

    def errors(**changes):
        (run,) = train([make_run(**options, **changes)]).runs
        return run.curves.get("penalty_relative_error")

    forward = {"estimator": "forward_difference"}
    assert errors(model=smooth) is None
    assert (errors(model=smooth, radius=1e-4, **forward) < 1e-3).all()
    assert errors(model=kinked, radius=0.3, **forward).max() > 0.3
