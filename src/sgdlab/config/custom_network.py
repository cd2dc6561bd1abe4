"""A network that a user has written: found, and held against what the configuration says, without running it.

It is named ``path/to/file.py:ClassName``, from the working folder, or ``package.module:ClassName``, from
there or wherever Python looks. The class is sought in the text of the file. What that text doesn't tell (a
base class of the user's own, a computed signature) is left to the worker that builds the network.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Collection
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from sgdlab.errors import UsageError

_METHODS = ("initial_parameters", "logits")
_GIVEN = ("sample_shape", "num_classes")  # to every network, beside its options
_PLAIN_BASES = ("Network", "Protocol")


@dataclass(frozen=True)
class NetworkSource:
    """Where a network is defined."""

    path: Path
    module: str | None  # None: the file was named by its path
    class_name: str
    sha256: str  # of the file


def find_network(network: str) -> NetworkSource:
    """Find the file and its class.

    Raises
    ------
    UsageError
        If there is no such file or module, it is no Python, or doesn't define the class.
    """
    source, _ = _read(network)
    return source


def check_network(network: str, options: Collection[str]) -> NetworkSource:
    """Find the class, and refuse it where its text says that it can't be built with these options.

    Raises
    ------
    UsageError
        As `find_network`; and if the class lacks a method, doesn't take an option, or needs another.
    """
    source, definition = _read(network)
    where = f"model.network={network!r}: class {source.class_name}"
    if any(_last_name(base) not in _PLAIN_BASES for base in definition.bases):
        return source
    methods = {node.name for node in definition.body if isinstance(node, ast.FunctionDef)}
    for method in _METHODS:
        if method not in methods:
            raise UsageError(f"{where} has no method {method}; a network has {' and '.join(_METHODS)}")
    signature = _signature(definition)
    if signature is None:
        return source
    accepted, needed = signature
    for name in _GIVEN:
        if name not in accepted:
            raise UsageError(
                f"{where} doesn't take {name}; a network takes {', '.join(_GIVEN)} and its options"
            )
    known = [name for name in accepted if name not in _GIVEN]
    for name in options:
        if name not in known:
            raise UsageError(
                f"model.options.{name}: class {source.class_name} of {source.path} doesn't take it; "
                f"it takes {', '.join(known) or 'no options'}"
            )
    for name in needed:
        if name not in _GIVEN and name not in options:
            raise UsageError(f"{where} needs model.options.{name}")
    return source


def _read(network: str) -> tuple[NetworkSource, ast.ClassDef]:
    place, _, class_name = network.rpartition(":")
    is_path = place.endswith(".py")
    path = Path(place) if is_path else _file_of_module(place)
    if path is None or not path.is_file():
        what = f"there is no file {Path.cwd() / place}" if is_path else f"there is no module {place}"
        raise UsageError(f"model.network={network!r}: {what}")
    text = path.read_bytes()
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"model.network={network!r}: {path} can't be read as Python: {error}") from error
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if class_name not in classes:
        defined = ", ".join(classes) or "none"
        raise UsageError(f"model.network={network!r}: {path} defines no class {class_name}; it has {defined}")
    digest = hashlib.sha256(text).hexdigest()
    return NetworkSource(path, None if is_path else place, class_name, digest), classes[class_name]


def _file_of_module(name: str) -> Path | None:
    """Return the file of a module without importing its packages."""
    folders: list[str] | None = [str(Path.cwd()), *sys.path]
    so_far, origin = "", None
    for part in name.split("."):
        so_far = f"{so_far}.{part}" if so_far else part
        spec = PathFinder.find_spec(so_far, folders)
        if spec is None:
            return None
        folders = None if spec.submodule_search_locations is None else list(spec.submodule_search_locations)
        origin = spec.origin
        if folders is None and so_far != name:
            return None
    return Path(origin) if origin else None


def _signature(definition: ast.ClassDef) -> tuple[list[str], list[str]] | None:
    """Return what a class takes, and what of it has no default; None where the text doesn't tell."""
    for node in definition.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            arguments = node.args
            if arguments.kwarg is not None:
                return None
            positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)][1:]
            keywords = [argument.arg for argument in arguments.kwonlyargs]
            num_needed = len(positional) - len(arguments.defaults)
            needed = positional[: max(0, num_needed)]
            without = zip(keywords, arguments.kw_defaults, strict=True)
            return positional + keywords, needed + [name for name, default in without if default is None]
    decorators = [node.func if isinstance(node, ast.Call) else node for node in definition.decorator_list]
    if "dataclass" not in map(_last_name, decorators):
        return [], []
    fields = [
        node
        for node in definition.body
        if isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(node.annotation)
    ]
    named = [(node.target.id, node.value) for node in fields if isinstance(node.target, ast.Name)]
    return [name for name, _ in named], [name for name, default in named if default is None]


def _last_name(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]
