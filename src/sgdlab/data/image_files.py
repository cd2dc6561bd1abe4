"""Images that stay files, or bytes, until they are needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor

from sgdlab.errors import UserError


class EncodedImages(Protocol):
    """Images of any size, each the content of a JPEG file."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> bytes:
        """Return the content of one file."""
        ...

    def name(self, index: int) -> str:
        """Return what a message calls it."""
        ...


@dataclass(frozen=True)
class ImageFiles:
    """A data set of encoded images."""

    train: EncodedImages  # N
    train_labels: Tensor  # (N,) int64
    test: EncodedImages  # M
    test_labels: Tensor  # (M,) int64
    checksum: str  # what a run says it was trained on


@dataclass(frozen=True)
class FilesBelow:
    """Files of one folder. A million names as bytes of one array take a sixth of what paths would."""

    root: Path
    names: np.ndarray  # (N,) bytes, relative to the root

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> bytes:
        """Return the content of one file.

        Raises
        ------
        UserError
            If it can't be read.
        """
        try:
            return self._path(index).read_bytes()
        except OSError as error:
            raise UserError(f"{self._path(index)} can't be read: {error.strerror}.") from error

    def name(self, index: int) -> str:
        """Return its path."""
        return str(self._path(index))

    def _path(self, index: int) -> Path:
        return self.root / os.fsdecode(self.names[index])


@dataclass(frozen=True)
class InMemory:
    """The contents of files."""

    contents: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.contents)

    def read(self, index: int) -> bytes:
        """Return one."""
        return self.contents[index]

    def name(self, index: int) -> str:
        """Return its number."""
        return f"image {index}"
