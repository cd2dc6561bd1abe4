"""What a command says of its time: one line before training, one after. On standard error, as progress is."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from sgdlab.config.durations import describe_duration
from sgdlab.config.models import MlpModel
from sgdlab.config.schema import Run
from sgdlab.config.shapes import estimator_of, micro_batch_size_of
from sgdlab.machine.c_compiler import NoCompilerError, find_compiler
from sgdlab.machine.devices import Device
from sgdlab.sweeps.estimate import Estimate


def announce(expected: Estimate, runs: Iterable[Run], device: Device) -> None:
    """Say how long training will take, and where it could be faster."""
    if expected.wall_s is None:
        print("time: unknown, as not all of it was measured here: `sgdlab plan … --measure`", file=sys.stderr)
    else:
        print(f"time: about {describe_duration(expected.wall_s)} on {device.name}", file=sys.stderr)
    if device.kind == "cpu" and any(map(_is_faster_compiled, runs)):
        try:
            find_compiler()
        except NoCompilerError:
            print(
                "no C compiler: ReLU MLPs train several times slower; install gcc or clang, or set $CC",
                file=sys.stderr,
            )


def compare(expected: Estimate, seconds: float) -> None:
    """Say how long training took, beside what was expected."""
    took = f"took {describe_duration(seconds)}"
    if expected.wall_s is not None:
        ratio = seconds / expected.wall_s
        took += f"; {describe_duration(expected.wall_s)} were expected ({ratio:.2f} times that)"
    print(took, file=sys.stderr)


def _is_faster_compiled(run: Run) -> bool:
    """Whether the compiled kernel would train the run."""
    is_exact = estimator_of(run.regularizer) in (None, "exact")
    is_whole = micro_batch_size_of(run.regularizer) is None
    return isinstance(run.model, MlpModel) and run.model.activation == "relu" and is_exact and is_whole
