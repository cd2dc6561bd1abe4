"""The arithmetic of a step, and how much of it the device can do in a second."""

from __future__ import annotations

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from performance.torch_networks import build
from performance.work import Work


def step_flop(work: Work) -> int:
    """Count the floating-point operations of one run's plain step: forward and backward of one minibatch."""
    model = build(work)
    shape = work.runs(1)[0].data.sample_shape
    inputs, labels = torch.randn(work.batch_size, *shape), torch.randint(10, (work.batch_size,))
    with FlopCounterMode(display=False) as counter:
        torch.nn.functional.cross_entropy(model(inputs), labels).backward()
    return int(counter.get_total_flops())


def peak_flop_s(device: torch.device, size: int) -> float:
    """Return the rate of one big float32 product, without TF32, in operations a second."""
    torch.backends.cuda.matmul.allow_tf32 = False
    a, b = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        torch.mm(a, b)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)
