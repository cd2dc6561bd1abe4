"""What the text of a network's file tells before anything is run."""

import hashlib

import pytest

from sgdlab.config.custom_network import check_network, find_network
from sgdlab.config.identity import ConfigDigests, key_of
from sgdlab.config.models import CustomModel
from sgdlab.errors import UsageError
from sgdlab.runs.drift import DriftError, refuse_drift

METHODS = """
    def initial_parameters(self, generator): ...
    def logits(self, parameters, inputs, training=None): ...
"""
DATACLASS = f"""
from typing import ClassVar
import nowhere  # what imports torch isn't imported to be looked at
@dataclass(frozen=True)
class Net(Network):
    sizes: ClassVar[int] = 3
    sample_shape: tuple[int, ...]
    num_classes: int
    width: int
    depth: int = field(default=2)
{METHODS}
"""
WITH_INIT = f"""
class Net(models.Network):
    def __init__(self, sample_shape, num_classes, width, depth=2, *, bias, gain=1.0): ...
{METHODS}
"""
CANT_TELL = f"""
class Net(Network):
    def __init__(self, **options): ...
{METHODS}
class Derived(Net):
    pass
"""


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(in_a_folder):
    def write(text, name="net.py"):
        path = in_a_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (DATACLASS, ["width"]),
        (DATACLASS, ["width", "depth"]),
        (WITH_INIT, ["width", "bias"]),
        (CANT_TELL, ["whatever"]),
    ],
)
def test_a_class_that_fits_its_options_is_found(write, text, options):
    path = write(text)
    for network in ("net.py:Net", "net:Net", f"{path}:Net"):
        source = check_network(network, options)
        assert source.path.resolve() == path
        assert (source.class_name, source.module) == ("Net", None if ".py" in network else "net")
        assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_module_of_a_package_is_found_without_importing_the_package(write):
    write("raise ImportError", "nets/__init__.py")
    path = write(CANT_TELL, "nets/deep/mine.py")
    write("", "nets/deep/__init__.py")
    assert check_network("nets.deep.mine:Derived", ["a"]).path.samefile(path)


@pytest.mark.parametrize(
    ("text", "network", "options", "message"),
    [
        (DATACLASS, "no.py:Net", [], "there is no file "),
        (DATACLASS, "no:Net", [], "there is no module no"),
        (DATACLASS, "net.no:Net", [], "there is no module net.no"),
        (DATACLASS, "net.py:Nets", [], "net.py defines no class Nets; it has Net"),
        ("class Net(", "net.py:Net", [], "can't be read as Python"),
        (DATACLASS, "net.py:Net", [], "needs model.options.width"),
        (DATACLASS, "net.py:Net", ["width", "sizes"], "doesn't take it; it takes width, depth"),
        (WITH_INIT, "net.py:Net", ["width"], "needs model.options.bias"),
        (WITH_INIT, "net.py:Net", ["width", "bias", "self"], "takes width, depth, bias, gain"),
        (f"class Net(Network):{METHODS}", "net.py:Net", [], "class Net doesn't take sample_shape"),
        ("class Net: pass", "net.py:Net", [], "has no method initial_parameters"),
        (DATACLASS.replace("logits", "outputs"), "net.py:Net", ["width"], "has no method logits"),
    ],
)
def test_what_does_not_fit_is_one_message(write, text, network, options, message):
    write(text)
    with pytest.raises(UsageError) as refused:
        check_network(network, options)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_text_of_the_file_is_no_part_of_a_run_s_identity_but_drifts(write, default_run):
    write(CANT_TELL)
    sha256 = find_network("net.py:Net").sha256
    model = CustomModel(network="net.py:Net", options={"width": "2**4"}, source_sha256=sha256)
    assert model.options == {"width": 16}
    run = default_run.model_copy(update={"model": model})

    def changed(**update):
        return run.model_copy(update={"model": CustomModel.model_validate(model.model_dump() | update)})

    other_text = changed(source_sha256="0" * 64)
    assert key_of(other_text) == key_of(run)
    digests = ConfigDigests()
    assert digests.of(other_text) != digests.of(run)
    for update in ({"revision": 2}, {"options": {"width": 17}}, {"network": "net.py:Other"}):
        assert key_of(changed(**update)) != key_of(run)
    refuse_drift("k", run.model_dump(mode="json"), changed().model_dump(mode="json"))
    with pytest.raises(
        DriftError, match=r"'net.py:Net' has changed since run k was trained: raise model.rev"
    ):
        refuse_drift("k", run.model_dump(mode="json"), other_text.model_dump(mode="json"))


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, [object()]])
def test_options_are_plain_values(value):
    with pytest.raises(ValueError, match="options are numbers, words, true, false, null, and lists of them"):
        CustomModel(network="net.py:Net", options={"a": value})


def test_equal_models_are_one_however_their_options_are_written():
    models = {CustomModel(network="n:N", options={"a": a, "b": [b]}) for a, b in [(16, 1), ("2**4", "1")]}
    assert len(models) == 1
