"""Penn Treebank as Mikolov prepared it: three texts of one vocabulary of 10,000 words.

Every line ends in the word ``<eos>``, and words are numbered as they first appear in the training text: so
Zaremba et al. (2014) read it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from sgdlab.data.dataset import Arrays
from sgdlab.data.files import Source, read_files

PTB = Source(
    title="Penn Treebank",
    folders=("ptb", "simple-examples/data"),
    url="http://www.fit.vutbr.cz/~imikolov/rnnlm/",
    contents={
        "ptb.train.txt": "f26c4b92c5fdc7b3f8c7cdcb991d8420",
        "ptb.valid.txt": "aa0affc06ff7c36e977d7cd49e3839bf",
        "ptb.test.txt": "8b80168b89c18661a38ef683c0dc3721",
    },
    downloads={"simple-examples.tgz": "30177ea32e27c525793142b6bf2c8e2d"},
)


def read_windows(folder: Path, held_out: Literal["valid", "test"], num_steps: int) -> Arrays:
    """Read the training text and one other as windows of T words, (N, T), each labelled by the next, (N, T).

    Raises
    ------
    UserError
        As `read_files`.
    """
    names = ["ptb.train.txt", f"ptb.{held_out}.txt"]
    contents = read_files(PTB, names, folder)
    train, other = (contents[name].decode().replace("\n", " <eos> ").split() for name in names)
    number = {word: place for place, word in enumerate(dict.fromkeys(train))}
    halves = (np.array([number[word] for word in text]) for text in (train, other))
    return Arrays(*(array for half in halves for array in _windows(half, num_steps)))


def _windows(words: np.ndarray, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut a text; the word after a window is needed, too."""
    end = (len(words) - 1) // num_steps * num_steps
    return words[:end].reshape(-1, num_steps), words[1 : end + 1].reshape(-1, num_steps)
