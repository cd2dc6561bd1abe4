"""The process that measures steps: a task as JSON on its input, the place of each step on its output."""

from __future__ import annotations

import json
import os
import sys

from sgdlab.errors import UserError


def main() -> int:
    """Measure what standard input asks for."""
    task = json.load(sys.stdin)
    pipe = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no news

    import torch

    from sgdlab.config.schema import Run
    from sgdlab.launch.worker_process import quieten_libraries
    from sgdlab.training.step_speed import Wanted, measure_step

    torch.set_num_threads(1)
    quieten_libraries()
    device = torch.device("cuda:0" if task["device"] == "cuda" else "cpu")
    for place, step in enumerate(task["steps"]):
        pipe.write(f"{place}\n")
        run = Run.model_validate(step["run"])
        wanted = Wanted(
            run,
            step["num_runs"],
            run.num_updates,
            task["backend"],
            task["num_bytes"],
            task["examples_per_pass"],
        )
        try:
            measure_step(wanted, device)
        except UserError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
