"""From one command to the next: the packs stay, how they are carried out follows the command."""

from sgdlab.config.execution import Execution, Folders, LocalLauncher
from sgdlab.sweeps.plan import freeze, load_plan


def test_the_same_command_keeps_its_packs_and_takes_its_new_settings(make_plan, tmp_path):
    plan = make_plan(num_runs=6)
    changed = Execution(
        launcher=LocalLauncher(pack_size=2, checkpoint_every_s=0.5),
        folders=Folders(data=tmp_path / "elsewhere"),
    )
    left = dict(list(plan.runs.items())[3:])
    again = freeze(plan.path.parent, ["test"], changed, plan.runs, left, 1)
    assert again.path == plan.path
    assert again.packs == plan.packs
    assert again.runs == plan.runs
    assert load_plan(plan.path).execution == again.execution == changed  # what a worker reads


def test_a_damaged_plan_is_made_anew(make_plan):
    plan = make_plan(num_runs=6)
    plan.path.write_bytes(plan.path.read_bytes()[:50])
    assert make_plan(num_runs=6) == plan
