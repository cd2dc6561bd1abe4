"""What is wrong with a command is one message and exit code 2; what is wrong with the world, exit code 1."""

import pytest

from sgdlab.cli import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "tony"], "there is no sweep 'tony'; did you mean tiny? `sgdlab list` shows all of them"),
        (["run", "no.yaml"], "no.yaml: there is no such sweep file"),
        (["run", "tiny", "--scale", "huge"], "sweeps/tiny.yaml: no scale 'huge'; it has laptop"),
        (["run", "tiny", "optimizer.lrr=1"], "optimizer.lrr is not a key (did you mean optimizer.lr?)"),
        (["run", "tiny", "launcher.workers=3"], "command line: launcher.workers is not a key"),
        (["run", "tracker=none"], "which sweep? Name one or more"),
        (["train", "optimizer.lr=fast"], "command line: optimizer.lr='fast': input should be a number"),
        (["train", "data=nosuch"], "Could not find 'data/nosuch' Available options in 'data': cifar10"),
        (["train", "optimizer.lr=1,2"], "Ambiguous value for argument 'optimizer.lr=1,2'"),
        (
            ["train", "-m", "optimizer.lr=1,-1"],
            "command line: optimizer.lr=-1: input should be greater than 0",
        ),
        (["train", "-m", "optimizer.lr=pow2(-3,-9)"], "write pow2(low, high), low ≤ high"),
        (["train", "--resolve"], "The --resolve flag can only be used in conjunction with --cfg or --help"),
        (["train", "--config-name=mine"], "there is one configuration; your own files in ./conf come first"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_message(terminal, words, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(terminal.folder)
    monkeypatch.setattr("sys.argv", ["sgdlab", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    shown = capsys.readouterr()
    assert end.value.code == 2
    assert shown.out == ""
    assert shown.err.startswith("sgdlab: ")
    assert message in words(shown.err)
    assert {path.name for path in terminal.folder.iterdir()} == {"sweeps", "cache", "tmp"}


def test_a_process_prints_the_message_alone_and_ends_with_2(terminal):
    finished = terminal.sgdlab("train", "-m", "optimizer.lr=1,-1")
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr == "sgdlab: command line: optimizer.lr=-1: input should be greater than 0\n"


def test_ctrl_c_is_one_message(monkeypatch, capsys):
    def interrupted(**_):
        raise KeyboardInterrupt

    for where in ("sgdlab.cli.app.app", "sgdlab.cli._run"):  # in a command, and while all is imported
        monkeypatch.setattr(where, interrupted)
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 130
        message = "sgdlab: interrupted: nothing is lost; the same command goes on where it was\n"
        assert capsys.readouterr().err == message


def test_a_reader_may_leave(terminal):
    process = terminal.start("list", "--json")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 1


def test_a_store_below_a_file_is_one_message(terminal):
    (terminal.folder / "file").touch()
    finished = terminal.run("tiny", "folders.store=file/store")
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert finished.stderr.startswith("sgdlab: ")
    assert "Something on this path is a file; name another folder with folders.store=" in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


def test_the_overview_has_a_line_for_each_sweep(trained):
    trained.write_sweep("more", optimizer__batch_size=4)
    finished = trained.sgdlab("status", "tracker=none")
    assert finished.returncode == 0
    lines = [line.split() for line in finished.stdout.splitlines()]
    assert lines[0] == [
        "sweep",
        "runs",
        "done",
        "diverged",
        "running",
        "unknown",
        "failed",
        "damaged",
        "to",
        "train",
    ]
    assert ["tiny", "12", "12", "0", "0", "0", "0", "0", "0"] in lines
    assert ["more", "12", "0", "0", "0", "0", "0", "0", "12"] in lines
