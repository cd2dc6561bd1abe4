"""What sbatch is given, and what becomes of its refusals."""

import os
import re
import shlex
import subprocess

import pytest
from submitit.core.utils import DelayedSubmission

from sgdlab.config.execution import SlurmLauncher
from sgdlab.launch.slurm.sbatch import RefusedError, submit_array

ACCEPTS = 'cp "$1" "$(dirname "$0")/script"\nenv > "$(dirname "$0")/environment"\necho Submitted batch job 7'


@pytest.fixture
def submit(programs, tmp_path):
    """Submit with a launcher's settings; returns the options of the script, and the lines after them."""
    programs.write("srun", "exit 99")
    programs.write("sbatch", ACCEPTS)

    def submit(num_jobs=2, **settings):
        launcher = SlurmLauncher(**settings)
        job_id = submit_array(tmp_path / "a b", "name", launcher, num_jobs, tmp_path / "the code", print)
        assert job_id == "7"
        lines = (programs.folder / "script").read_text().splitlines()
        options = [line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")]
        return dict(option.partition("=")[::2] for option in options), lines

    return submit


SETTINGS = {
    "partition": ({"partition": "gpu"}, {"partition": "gpu"}),
    "account": ({"account": "lab"}, {"account": "lab"}),
    "qos": ({"qos": "low"}, {"qos": "low"}),
    "constraint": ({"constraint": "a100&big"}, {"constraint": "'a100&big'"}),
    "gpus": ({"gpus_per_job": 2}, {"gpus-per-node": "2", "cpus-per-task": "2"}),
    "workers": ({"gpus_per_job": 2, "workers_per_gpu": 3}, {"cpus-per-task": "6"}),
    "cpus": ({"gpus_per_job": 1, "cpus_per_job": 5}, {"cpus-per-task": "5"}),
    "memory": ({"memory_gb": 1.5}, {"mem": "1536MB"}),
    "time": ({"wall_time_min": 77}, {"time": "77"}),
    "further": (
        {"sbatch": {"begin": "now+20", "mail_type": "END", "exclusive": True, "nice": 5}},
        {"begin": "now+20", "mail-type": "END", "exclusive": "", "nice": "5"},
    ),
}


@pytest.mark.parametrize(("settings", "options"), SETTINGS.values(), ids=SETTINGS)
def test_settings_reach_the_script(submit, settings, options):
    given, _ = submit(**settings)
    assert {name: given.get(name) for name in options} == options


def test_what_is_not_set_is_left_to_the_cluster(submit):
    given, _ = submit(gpus_per_job=0)
    assert set(given) == {
        *("array", "cpus-per-task", "job-name", "nodes", "ntasks-per-node", "open-mode", "output"),
        *("requeue", "signal", "time", "wckey"),
    }
    assert given["array"] == "0-1%2"
    assert given["job-name"] == "name"
    assert "requeue" not in submit(gpus_per_job=0, sbatch={"requeue": False})[0]


def test_a_job_alone_is_no_array(submit):
    assert "array" not in submit(num_jobs=1)[0]


def test_the_step_gets_all_processors_of_its_job(submit):
    """srun gives a step one, unless told: since Slurm 22.05 it no longer reads SLURM_CPUS_PER_TASK."""
    _, lines = submit(cpus_per_job=6)
    (step,) = [line for line in lines if line.startswith("srun ")]
    assert "--cpus-per-task=6" in step.split()


def test_setup_comes_first_and_the_code_before_what_it_puts_on_the_path(submit, programs, tmp_path):
    _, lines = submit(setup=("module load cuda", "export PYTHONPATH=/modules"), python="/opt/python")
    begin = lines.index("# setup") + 1
    assert lines[begin : begin + 2] == ["module load cuda", "export PYTHONPATH=/modules"]
    end = next(number for number, line in enumerate(lines) if line.startswith("srun "))
    assert shlex.split(lines[end])[-5:-1] == ["/opt/python", "-u", "-m", "submitit.core._submit"]
    script = "\n".join(["module() { :; }", *lines[begin:end], 'echo "$PYTHONPATH $PYTHONSAFEPATH"'])
    for variables in (
        {"SLURM_JOB_ID": "7"},
        {"SLURM_JOB_ID": "8", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"},
    ):
        ran = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True)
        assert ran.stdout == f"{tmp_path}/the code:/modules 1\n"


def test_the_callable_lies_there_before_sbatch_is_called(submit, programs, tmp_path):
    programs.write("sbatch", f'test -e "{tmp_path}/a b/job.pkl" && {ACCEPTS}')
    _, lines = submit(num_jobs=2)
    for path in (tmp_path / "a b").glob("7_*_submitted.pkl"):
        path.unlink()  # as for a command that was killed before it came to write them
    begin = lines.index("# setup")
    end = next(number for number, line in enumerate(lines) if line.startswith("srun "))
    variables = {"SLURM_JOB_ID": "8", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}
    subprocess.run(["bash", "-c", "\n".join(lines[begin:end])], env=variables | {"PATH": "/usr/bin:/bin"})
    assert DelayedSubmission.load(tmp_path / "a b/7_1_submitted.pkl").function is print


def test_a_job_that_submits_hands_none_of_its_variables_on(submit, programs, monkeypatch):
    own = {
        "SLURM_JOB_ID": "3",
        "SLURM_ARRAY_JOB_ID": "2",
        "SLURM_MEM_PER_NODE": "9",
        "SUBMITIT_EXECUTOR": "x",
    }
    for name, value in {**own, "SLURM_CONF": "/etc/conf", "SBATCH_ACCOUNT": "lab"}.items():
        monkeypatch.setenv(name, value)
    submit()
    handed_on = dict(
        line.split("=", 1) for line in (programs.folder / "environment").read_text().splitlines()
    )
    assert not own.keys() & handed_on.keys()
    assert handed_on["SLURM_CONF"] == "/etc/conf"
    assert handed_on["SBATCH_ACCOUNT"] == "lab"
    assert os.environ["SLURM_ARRAY_JOB_ID"] == "2"


REFUSALS = {
    "echo 'sbatch: error: Batch job submission failed: Invalid qos specification' >&2; exit 1": (
        "sbatch refused: Batch job submission failed: Invalid qos specification"
    ),
    "printf 'sbatch: error: no such thing\\nsbatch: error: Batch job submission failed: No\\n' >&2; exit 1": (
        "sbatch refused: Batch job submission failed: No"
    ),
    "exit 9": "sbatch refused: it says nothing, exit code 9",
    "echo good day": 'sbatch refused: Could not make sense of sbatch output "good day',
}


@pytest.mark.parametrize(("script", "message"), REFUSALS.items())
def test_a_refusal_is_one_line_in_sbatchs_words(submit, programs, capfd, script, message):
    programs.write("sbatch", script)
    with pytest.raises(RefusedError) as refused:
        submit()
    assert str(refused.value).startswith(message)
    assert len(str(refused.value).splitlines()) == 1
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["srun", "sbatch"])
def test_without_slurm_it_says_where_one_must_be(submit, programs, monkeypatch, name):
    monkeypatch.setenv("PATH", str(programs.folder))
    (programs.folder / name).unlink()
    with pytest.raises(RefusedError, match=rf"^{name} isn't there: launcher=slurm needs a machine of the "):
        submit()
    assert not re.search("script", str(list(programs.folder.iterdir())))
