"""The process of a worker's second, third, … device: RANK NUM_DEVICES DEVICE DATA_FOLDER.

It trains each pack that a line on its input tells it of, and ends with that input. Any error ends it, and
with it the worker.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Follow a worker until it is gone."""
    rank, num_devices, device_name, data_folder = arguments
    orders: queue.Queue[str] = queue.Queue()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Slurm tells every process of a job: the worker decides
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()

    import torch

    from sgdlab.config.datasets import Data
    from sgdlab.config.schema import Run
    from sgdlab.data.dataset import Dataset
    from sgdlab.data.image_files import ImageFiles
    from sgdlab.data.load import load_dataset
    from sgdlab.launch.worker_process import quieten_libraries, redirected_output
    from sgdlab.training.fit import follow_pack
    from sgdlab.training.ranks import GroupBrokenError, joined, meeting_place

    torch.set_num_threads(1)
    quieten_libraries()
    os.write(1, b"ready\n")
    size = int(num_devices)
    datasets: dict[Data, Dataset | ImageFiles] = {}

    def load_data(run: Run) -> Dataset | ImageFiles:
        if run.data not in datasets:
            datasets[run.data] = load_dataset(run.data, Path(data_folder))
        return datasets[run.data]

    while True:
        order = json.loads(orders.get())
        with redirected_output(Path(order["log"])):
            try:
                with joined(int(rank), size, meeting_place(size, order["port"]), device_name) as ranks:
                    follow_pack(ranks, torch.device(device_name), load_data)
            except GroupBrokenError:
                return 1  # whoever was lost, or the worker, says why
            except Exception:
                traceback.print_exc()
                return 1


def _listen(orders: queue.Queue[str]) -> None:
    for line in sys.stdin:
        orders.put(line)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
