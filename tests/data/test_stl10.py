import hashlib
from dataclasses import replace

import numpy as np

from sgdlab.config.datasets import Stl10Data
from sgdlab.data import stl10
from sgdlab.data.load import load_dataset


def test_stl10_reads_columns_and_counts_labels_from_zero(tmp_path, monkeypatch) -> None:
    generator = np.random.default_rng(0)
    # an image as it is shown, (height, width, 3), and as the file has it: a channel's columns one by one
    shown = {half: generator.integers(0, 256, (3, 96, 96, 3), dtype=np.uint8) for half in ("train", "test")}
    labels = {"train": [10, 1, 5], "test": [2, 10, 1]}
    made = {}
    for half, images in shown.items():
        columns = b"".join(
            images[image, :, column, channel].tobytes()
            for image in range(3)
            for channel in range(3)
            for column in range(96)
        )
        made |= {f"{half}_X.bin": columns, f"{half}_y.bin": bytes(labels[half])}
    (tmp_path / "stl10_binary").mkdir()
    for name, content in made.items():
        (tmp_path / "stl10_binary" / name).write_bytes(content)
    contents = {name: hashlib.md5(content).hexdigest() for name, content in made.items()}
    monkeypatch.setattr(stl10, "STL10", replace(stl10.STL10, contents=contents))
    dataset = load_dataset(Stl10Data(num_train=2, num_test=3), tmp_path)
    assert dataset.train_labels.tolist() == [9, 0]
    assert dataset.test_labels.tolist() == [1, 9, 0]
    assert np.array_equal(dataset.train_inputs.permute(0, 2, 3, 1).numpy(), shown["train"][:2])
    assert np.array_equal(dataset.test_inputs.permute(0, 2, 3, 1).numpy(), shown["test"])
