"""Compile a C file for this very processor, once, and load it."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from sgdlab.machine.cache_folder import cache_folder
from sgdlab.machine.processor import processor

_FLAGS = (
    *(
        "-O3",
        "-march=native",
        "-mtune=generic",
    ),  # gcc 12 tunes for one new processor, and loses a third on it
    *("-ffp-contract=fast", "-fno-math-errno", "-std=gnu11", "-shared", "-fPIC"),
)


class NoCompilerError(Exception):
    """There is no C compiler, or it can't compile for this processor."""


def load_library(source: Path, definitions: Mapping[str, str]) -> ctypes.CDLL:
    """Return the compiled file with these macros defined; compiled where it isn't in the cache yet.

    It may include headers of its own folder.

    Raises
    ------
    NoCompilerError
        If it can't be compiled here.
    """
    macros = [f"-D{name}={value}" for name, value in sorted(definitions.items())]
    compiler, version = find_compiler()
    texts = [file.read_text(encoding="utf-8") for file in (source, *sorted(source.parent.glob("*.h")))]
    names = (processor(), version, *texts, *_FLAGS, *macros)
    digest = hashlib.sha256("\0".join(names).encode()).hexdigest()[:16]
    library = cache_folder() / "kernels" / f"{source.stem}-{digest}.so"
    if not library.exists():
        _compile([compiler, *_FLAGS, *macros, str(source)], library)
    try:
        return ctypes.CDLL(str(library))
    except OSError as error:
        raise NoCompilerError(f"{library} can't be loaded: {error}") from error


@cache
def find_compiler() -> tuple[str, str]:
    """Return the C compiler's path, and what it says of its version.

    Raises
    ------
    NoCompilerError
        If none of `$CC`, cc, gcc and clang runs.
    """
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        path = shutil.which(name) if name else None
        if path is None:
            continue
        asked = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            return path, asked.stdout.partition("\n")[0]
    raise NoCompilerError("no C compiler on this machine: cc, gcc, clang, or what $CC names")


def _compile(command: list[str], library: Path) -> None:
    """Compile next to the place and move it there, so that nobody loads half a library."""
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            made = Path(folder) / library.name
            finished = subprocess.run(
                [*command, "-o", str(made), "-lm"], capture_output=True, text=True, check=False
            )
            if finished.returncode:
                said = finished.stderr.splitlines()
                first = next((line for line in said if "error" in line), "it doesn't say why")
                raise NoCompilerError(f"{command[0]} failed: {first}")
            made.replace(library)
    except OSError as error:
        raise NoCompilerError(f"can't write {library}: {error}") from error
