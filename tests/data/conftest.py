import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the original files of MNIST, Fashion-MNIST and CIFAR-10."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("SGDLAB_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip("no real data: SGDLAB_TEST_DATA names no folder")
    return folder
