"""Every check, by name. To list them nothing is computed and torch isn't imported."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from importlib import import_module

from sgdlab.errors import UsageError
from sgdlab.theory.check import Check, CheckReport


def find_checks(names: Sequence[str]) -> list[Check]:
    """Return the checks of these names, in their order; without a name, all of them.

    Raises
    ------
    UsageError
        If there is no check of a name.
    """
    for name in names:
        if name not in CHECKS:
            nearest = difflib.get_close_matches(name, CHECKS, n=1, cutoff=0)
            raise UsageError(
                f"there is no check {name!r}; did you mean {nearest[0]}? "
                "`sgdlab theory --list` shows all of them"
            )
    return [CHECKS[name] for name in names or CHECKS]


def _of(module: str) -> Callable[[], CheckReport]:
    """Return the function `run` of a module of this room, imported when it is called."""

    def run() -> CheckReport:
        report = import_module(f"sgdlab.theory.{module}").run()
        assert isinstance(report, CheckReport)
        return report

    return run


_SMITH2021 = (
    Check(
        name="smith2021/eq9-11",
        paper="smith2021",
        equations="eq. 9–11",
        title="Gradient descent follows the flow on C + (ε/4)‖∇C‖²",
        run=_of("smith2021.gradient_descent"),
    ),
    Check(
        name="smith2021/eq18-20",
        paper="smith2021",
        equations="eq. 18, 20",
        title="The mean epoch of SGD follows the flow on C + ε·C_reg",
        run=_of("smith2021.mean_epoch"),
    ),
    Check(
        name="smith2021/forward-reverse",
        paper="smith2021",
        equations="§2.2, remarks",
        title="Forward-then-reverse epochs: one run follows the modified flow",
        run=_of("smith2021.forward_reverse"),
    ),
    Check(
        name="smith2021/eq22",
        paper="smith2021",
        equations="eq. 22, 32",
        title="C_reg over shuffles: gradient norm and covariance of examples' gradients",
        run=_of("smith2021.expected_regularizer"),
    ),
    Check(
        name="smith2021/eq35-39",
        paper="smith2021",
        equations="eq. 35–39",
        title="n-step SGD is regularised by its bare learning rate α",
        run=_of("smith2021.n_step"),
    ),
    Check(
        name="smith2021/bias-and-noise",
        paper="smith2021",
        equations="eq. 14–18",
        title="Bias and noise of shuffled, independent and forward-then-reverse orders",
        run=_of("smith2021.bias_and_noise"),
    ),
    Check(
        name="smith2021/matched-loss",
        paper="smith2021",
        equations="eq. 1, fig. 1c",
        title="C_reg of several learning rates where the training loss is the same",
        run=_of("smith2021.matched_loss"),
    ),
    Check(
        name="smith2021/real-network",
        paper="smith2021",
        equations="eq. 14–22",
        title="How far the modified flow holds on a real network as ε grows",
        run=_of("smith2021.real_network.check"),
    ),
)

_LSSR2022 = (
    Check(
        name="lssr2022/eq1",
        paper="lssr2022",
        equations="eq. 1, 12",
        title="Moments of minibatch gradients for every batch size",
        run=_of("lssr2022.batch_moments"),
    ),
    Check(
        name="lssr2022/eq6",
        paper="lssr2022",
        equations="eq. 3–7, fig. 1",
        title="The expected change of the loss, and when it rises",
        run=_of("lssr2022.loss_change"),
    ),
    Check(
        name="lssr2022/prop4.1",
        paper="lssr2022",
        equations="prop. 4.1",
        title="Gradient descent with one eigenvalue above 2/η",
        run=_of("lssr2022.unstable_descent"),
    ),
    Check(
        name="lssr2022/fig5left",
        paper="lssr2022",
        equations="eq. 12, fig. 5 left",
        title="The linear and saturation scaling rule beside two others",
        run=_of("lssr2022.scaling_rules"),
    ),
)

_ROBERTS2018 = (
    Check(
        name="roberts2018/eq7",
        paper="roberts2018",
        equations="eq. 6–8",
        title="The change of a loss by one update, for sets that share draws",
        run=_of("roberts2018.one_update"),
    ),
    Check(
        name="roberts2018/eq9",
        paper="roberts2018",
        equations="eq. 9",
        title="The generalisation gap that one update opens",
        run=_of("roberts2018.generalization_gap"),
    ),
    Check(
        name="roberts2018/eq12-13",
        paper="roberts2018",
        equations="eq. 10–13",
        title="Two half-batch updates against two full-batch updates",
        run=_of("roberts2018.two_updates"),
    ),
    Check(
        name="roberts2018/emulate",
        paper="roberts2018",
        equations="§3",
        title="Full batch with a penalty emulates small batches",
        run=_of("roberts2018.emulation"),
    ),
    Check(
        name="roberts2018/linear",
        paper="roberts2018",
        equations="§4",
        title="The implicit regulariser of a linear model in closed form",
        run=_of("roberts2018.linear_model"),
    ),
    Check(
        name="roberts2018/diverge",
        paper="roberts2018",
        equations="§4",
        title="The generalisation gap during training, printed and corrected",
        run=_of("roberts2018.divergence"),
    ),
    Check(
        name="roberts2018/precond",
        paper="roberts2018",
        equations="§4",
        title="Σ⁻¹ as a preconditioner",
        run=_of("roberts2018.preconditioning"),
    ),
)

CHECKS: dict[str, Check] = {check.name: check for check in (*_SMITH2021, *_LSSR2022, *_ROBERTS2018)}
