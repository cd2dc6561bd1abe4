"""Two shells, one command, the same moment."""

import re
from collections import Counter

RATES = {
    "rate": {"label": "plain", "axes": {"optimizer.lr": ["2**-4", "2**-3"]}},
    "strength": {
        "label": "penalised",
        "fixed": {"regularizer": "gradient_norm"},
        "axes": {"regularizer.strength": ["2**-3"]},
    },
}


def test_no_run_is_trained_twice_and_both_commands_end_well(terminal, finish):
    terminal.write_sweep("both", RATES, budget__num_updates=2000, evaluation__every_num_updates=500)
    arguments = ["run", "both", "tracker=none", "launcher.num_workers=1", "launcher.device=cpu"]
    commands = [terminal.start(*arguments), terminal.start(*arguments)]
    ends = [finish(command) for command in commands]
    assert [end.returncode for end in ends] == [0, 0]
    for end in ends:
        assert re.search(r"done +9\n", end.stdout)
        assert "100% · 9/9 runs done · 0 running" in end.stderr.splitlines()[-2]
    for kind in ("claimed", "published"):
        times = Counter(terminal.events(kind))
        assert len(times) == 9
        assert set(times.values()) == {1}
    assert list(terminal.store.attempts.iterdir()) == []
