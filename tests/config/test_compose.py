"""What we compose against Hydra's own result, the shared path against the whole one, and whose conf/ wins."""

import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from sgdlab.config.compose import Choices, open_composer, validate_execution, validate_run
from sgdlab.config.folders import search_folders, shipped_folder
from sgdlab.config.schema import Run
from sgdlab.errors import UsageError

CONF = shipped_folder("conf")
OPTIONS = sorted(
    f"{path.parent.name}={path.stem}" for path in CONF.glob("*/*.yaml") if path.parent.name != "hydra"
)

# ---- against Hydra -------------------------------------------------------------------------------------

CHOICES = [
    ["data=digits", "data=cifar10"],
    ["regularizer=gradient_norm"],
    ["tracker=none"],
]
VALUES = [
    "optimizer.lr=2**-5",
    "optimizer.lr=0.1",
    "optimizer.batch_size=32",
    "optimizer.order='shuffled'",
    "model.hidden_widths=[8,'8']",
    "loss.l2=1e-3",
    "data.num_train=100",
    "regularizer.strength=null",
    "seed=7",
    "seed='7'",
    "precision=float64",
    "folders={store: elsewhere}",
    "folders.store=a/b",
    "tracker.tags.first=true",
    "budget.num_epochs=1.0",
]


@given(
    st.tuples(*(st.sampled_from([None, *options]) for options in CHOICES)),
    st.lists(st.sampled_from(VALUES), max_size=5),
)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_composing_once_and_setting_values_is_hydras_own_result(composer, choices, values):
    overrides = [text for text in choices if text]
    config = compose("config", overrides + [f"++{text}" for text in values])
    ours = composer.compose(composer.parse(overrides + values))
    assert ours == OmegaConf.to_container(config, resolve=True)


SHARED = {
    "optimizer.lr": ["2**-5", 0.5, 1, -1, True, "x"],
    "optimizer.batch_size": [16, 16.0, "2**4", 5000, 0],
    "optimizer.lrr": [1],
    "data": ["digits", "mnist1d"],
    "data.num_train": [100, "100", 1.5, [1]],
    "data.flip": [True, 1, "yes", False],
    "model": ["mlp", "wide_resnet"],
    "model.hidden_widths": [[8], (8, 8), []],
    "regularizer": ["gradient_norm"],
    "regularizer.strength": [0, -0.0, "2**-3", 0.125],
    "seed": [0, 1, "2", -1],
    "precision": ["float64", "float16"],
}


@st.composite
def overrides_of_a_run(draw):
    keys = draw(st.lists(st.sampled_from(list(SHARED)), unique=True, max_size=5))
    return {key: draw(st.sampled_from(SHARED[key])) for key in keys}


@given(st.lists(overrides_of_a_run(), min_size=1, max_size=4))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sharing_components_validates_as_validating_each_run_whole(composer, many):
    for overrides in many:
        values = composer.compose(overrides)
        try:
            whole = Run.model_validate({name: values[name] for name in Run.model_fields})
        except ValueError:
            with pytest.raises(UsageError):
                validate_run(composer, overrides)
        else:
            assert validate_run(composer, overrides) == whole


def test_runs_that_agree_in_a_component_share_it(composer):
    one, other = (validate_run(composer, {"optimizer.lr": rate}) for rate in (0.25, 0.5))
    assert one.data is other.data
    assert one.optimizer is not other.optimizer
    assert validate_run(composer, {"optimizer.lr": 0.25}).optimizer is one.optimizer


def test_composed_values_are_the_callers_own(composer):
    composer.compose({})["model"]["hidden_widths"].append(1)
    assert composer.compose({})["model"]["hidden_widths"] == [64, 64, 64]


# ---- parsing -------------------------------------------------------------------------------------------


def test_a_comma_list_is_an_axis_and_a_list_is_a_value(composer):
    parsed = composer.parse(["optimizer.lr=2**-6,1/32", "model.hidden_widths=[32,32]", "seed=range(0,3)"])
    assert parsed["optimizer.lr"] == ["2**-6", "1/32"]
    assert isinstance(parsed["optimizer.lr"], Choices)
    assert parsed["model.hidden_widths"] == [32, 32]
    assert not isinstance(parsed["model.hidden_widths"], Choices)
    assert parsed["seed"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "optimizer.lr=2^-6",
            r"write key=value, as in .*2\*\*-6 \(token recognition error at: '\^'\)$",
        ),
        ("optimizer.lr", r"'optimizer.lr' is not an override: write key=value"),
        ("optimizer.lr=sqrt(2)", r"Unknown function 'sqrt'"),
        ("~optimizer.lr", r"keys can be set \(key=value\), not deleted or moved"),
        ("model@other=mlp", r"keys can be set \(key=value\), not deleted or moved"),
        ("optimizer.lr=interval(0,1)", r"an axis is a comma list, pow2\(low, high\) or range\(a, b\)"),
    ],
)
def test_what_is_no_override_is_refused_in_one_line(composer, override, message):
    with pytest.raises(UsageError, match=message) as refused:
        composer.parse([override])
    assert "\n" not in str(refused.value)


# ---- the shipped conf/ ---------------------------------------------------------------------------------

NETWORKS_FOR_IMAGES = ("wide_resnet", "wide_resnet_norm", "cnn", "cnn6", "resnet9", "resnet50")
NEEDS = {
    **{f"model={name}": ["data=cifar10"] for name in NETWORKS_FOR_IMAGES},
    "model=autoencoder": ["data=mnist", "data.standardize=none", "loss=bernoulli"],
    "model=lstm": ["data=ptb", "optimizer.order=sequential"],
    "data=ptb": ["model=lstm", "optimizer.order=sequential"],
    "loss=bernoulli": ["data=mnist", "data.standardize=none", "model=autoencoder"],
}
KINDS = {"cnn6": "cnn", "wide_resnet_norm": "wide_resnet"}
OPTIONS_ALONE = sorted({*OPTIONS} - {"model=custom"})  # it needs a file


@pytest.mark.parametrize("option", OPTIONS_ALONE)
def test_every_option_composes_and_validates(composer, option):
    overrides = composer.parse([*NEEDS.get(option, []), option])
    run, execution = validate_run(composer, overrides), validate_execution(composer, overrides)
    group, _, name = option.partition("=")
    component = getattr(run, group, None) or getattr(execution, group)
    assert getattr(component, "kind", name) == KINDS.get(name, name)


def test_every_variant_of_the_schema_has_an_option():
    groups = {path.parent.name for path in CONF.glob("*/*.yaml")}
    assert groups >= {*Run.model_fields} - {"seed", "precision"}
    shipped = {group: {path.stem for path in CONF.glob(f"{group}/*.yaml")} for group in groups}
    assert shipped["data"] == {
        *("mnist1d", "digits", "mnist", "fashion_mnist", "cifar10"),
        *("cifar100", "stl10", "tiny_imagenet", "imagenet", "ptb"),
    }
    assert shipped["regularizer"] >= {"none", "gradient_norm"}


# ---- interpolations ------------------------------------------------------------------------------------


@pytest.fixture
def own_conf(tmp_path, monkeypatch):
    """Write files into a conf/ of one's own, in the working folder."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> None:
        path = tmp_path / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


@pytest.mark.parametrize(
    "reference",
    [
        "${budget.num_epochs}",
        "${..budget.num_epochs}",
        "${budget[num_epochs]}",
        "${oc.select:budget.num_epochs}",
    ],
)
def test_a_key_that_feeds_an_interpolation_is_refused(own_conf, reference):
    own_conf("evaluation/linked.yaml", f'kind: epochs\nevery_num_epochs: "{reference}"\n')
    with open_composer() as composer:
        assert validate_run(composer, {"evaluation": "linked"}).evaluation.every_num_epochs == 60
        assert validate_run(composer, {"evaluation": "linked", "optimizer.lr": 0.5}).optimizer.lr == 0.5
        linked = {"evaluation": "linked", "evaluation.every_num_epochs": 3}
        assert validate_run(composer, linked).evaluation.every_num_epochs == 3  # in its place, not below it
        with pytest.raises(UsageError, match=r"^here: budget.num_epochs can't be set here: an interpolation"):
            validate_run(composer, {"evaluation": "linked", "budget.num_epochs": 3}, "here")


def test_a_key_within_what_an_interpolation_reads_is_refused(own_conf):
    own_conf("budget/copied.yaml", "kind: epochs\nnum_epochs: 3\nbelow: {of: 1}\ncopy: ${.below}\n")
    with open_composer() as composer, pytest.raises(UsageError, match=r"budget.below.of can't be set here"):
        composer.compose({"budget": "copied", "budget.below.of": 2})


# ---- a conf/ of one's own ------------------------------------------------------------------------------


def test_ones_own_option_comes_first_and_the_shipped_ones_stay(own_conf):
    own_conf("model/mlp.yaml", "kind: mlp\nhidden_widths: [5]\n")
    own_conf("model/tiny.yaml", "kind: mlp\nhidden_widths: [2, 2]\nactivation: tanh\n")
    with open_composer() as composer:
        assert validate_run(composer, {}).model.hidden_widths == (5,)
        assert validate_run(composer, {"model": "tiny"}).model.activation == "tanh"
        assert validate_run(composer, {"data": "digits"}).data.kind == "digits"


def test_sgdlab_train_finds_ones_own_option_by_hydras_search_path(own_conf, tmp_path):
    own_conf("model/tiny.yaml", "kind: mlp\nhidden_widths: [2, 2]\n")
    arguments = ["train", "--cfg", "job", "model=tiny", "optimizer.lr=2**-5"]
    command = [sys.executable, "-c", "from sgdlab.cli import main; main()", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    composed = OmegaConf.create(finished.stdout)
    assert composed.model.hidden_widths == [2, 2]
    assert composed.optimizer.lr == "2**-5"


def test_the_working_folder_itself_is_no_second_place_to_look(monkeypatch, tmp_path):
    monkeypatch.chdir(CONF.parent)
    assert search_folders("conf") == [CONF]
    monkeypatch.chdir(tmp_path)
    assert search_folders("conf") == [CONF]
    (tmp_path / "conf").mkdir()
    assert search_folders("conf") == [Path.cwd() / "conf", CONF]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("model/tiny.yaml", "kind: [mlp\n", r"^conf/: .*while parsing a flow sequence"),
        (
            "model/tiny.yaml",
            "kind: ${nowhere}\n",
            r"^conf/: .* 'nowhere' not found at model.kind$",
        ),
        ("model/tiny.yaml", "- mlp\n", r"^conf/model/tiny.yaml: model=\['mlp'\]: input should be a mapping"),
        (
            "config.yaml",
            "defaults: [{model: tyni}]\n",
            r"model=tyni: there is no such option; "
            "known here: autoencoder, cnn, cnn6, custom, lstm, mlp, other",
        ),
    ],
)
def test_a_broken_file_of_ones_own_is_one_message(own_conf, name, text, message):
    own_conf("model/other.yaml", "kind: mlp\nhidden_widths: [2, 2]\n")
    own_conf(name, text)
    with open_composer() as composer, pytest.raises(UsageError, match=message) as refused:
        validate_run(composer, {"model": "tiny"} if name != "config.yaml" else {})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["regularizer.estimator=exact"], False),
        (["regularizer.estimator=forward_difference"], True),
        (["regularizer.estimator=central_difference", "model.activation=relu"], True),
        (["regularizer.estimator=central_difference", "model.activation=gelu"], False),
        (["regularizer.estimator=forward_difference", "model=wide_resnet"], True),
    ],
)
def test_differences_cross_kinks_where_the_activation_is_relu(run_of, overrides, expected):
    assert run_of("regularizer=gradient_norm", "data=digits", *overrides).differences_kinks is expected


def test_a_run_without_a_penalty_differences_nothing(default_run):
    assert not default_run.differences_kinks


def test_a_composer_may_be_opened_within_another(run_of):
    with open_composer() as inner:
        assert validate_run(inner, {"data": "mnist"}).data.kind == "mnist"
    assert run_of("data=digits").data.kind == "digits"


def test_other_hydra_applications_in_a_folder_with_a_conf_are_left_alone(own_conf, tmp_path):
    """Hydra calls the plugins of every package that is installed, whoever's application runs."""
    own_conf("model/mlp.yaml", "kind: mine\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.yaml").write_text("defaults: [model: mlp]\n")
    (tmp_path / "other" / "model").mkdir()
    (tmp_path / "other" / "model" / "mlp.yaml").write_text("kind: theirs\n")
    program = f"""
from hydra import compose, initialize_config_dir
with initialize_config_dir(config_dir={str(tmp_path / "other")!r}, version_base="1.3"):
    print(compose("config").model.kind)
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "theirs"
