"""A digest of everything that decides which runs a sweep wants: texts, code, versions, environment.

Where two are equal, so are the runs. It is taken without Hydra and without reading any YAML.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from sgdlab.config.folders import search_folders

_PACKAGE = Path(__file__).resolve().parents[1]
_ROOMS = (_PACKAGE / "config", _PACKAGE / "sweeps", _PACKAGE.parent / "hydra_plugins")
_LIBRARIES = ("hydra-core", "omegaconf", "pydantic", "pydantic-core", "PyYAML", "simpleeval")

# What a text may be computed from: variables of the environment, and nothing else that lies outside of it.
_RESOLVER = re.compile(rb"\$\{\s*[\w.]+\s*:")
_VARIABLE = re.compile(rb"\$\{\s*oc\.env\s*:\s*(\w+)\s*[,}]")
_ELSEWHERE = re.compile(rb"searchpath")  # Hydra would read other folders


def fingerprint(files: Iterable[Path] = ()) -> str | None:
    """Return the digest of all files in the folders of conf and of sweeps, and of `files` besides.

    None where it can't be had: a file can't be read, or its values depend on more than a digest can cover.
    """
    taken = hashlib.sha256(_of_code().encode())
    variables: set[str] = set()
    try:
        for path in (*_files_in_folders(), *files):
            text = path.read_bytes()
            names = _VARIABLE.findall(text)
            if len(_RESOLVER.findall(text)) != len(names) or _ELSEWHERE.search(text):
                return None
            variables.update(name.decode() for name in names)
            taken.update(f"{path}\n{hashlib.sha256(text).hexdigest()}\n".encode())
    except OSError:
        return None
    for name in sorted(variables):
        taken.update(f"{name}={os.environ.get(name)!r}\n".encode())
    return taken.hexdigest()


def _files_in_folders() -> Iterator[Path]:
    for folder in (*search_folders("conf"), *search_folders("sweeps")):
        yield from sorted(folder.rglob("*.yaml"))


@cache
def _of_code() -> str:
    """Digest what turns texts into runs: this version's code, as it lies on the disk, and its libraries'."""
    taken = hashlib.sha256(f"{sys.version} {[version(name) for name in _LIBRARIES]}".encode())
    for room in _ROOMS:
        for path in sorted(room.rglob("*.py")):
            taken.update(f"{path}\n".encode() + path.read_bytes())
    return taken.hexdigest()
