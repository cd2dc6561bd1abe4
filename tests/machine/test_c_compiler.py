"""Compiling on this machine: once, for whoever comes first; and a clear word where it can't be."""

import ctypes
import os

import pytest

from sgdlab.machine.c_compiler import NoCompilerError, find_compiler, load_library


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    find_compiler.cache_clear()
    yield
    find_compiler.cache_clear()


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "answer.c"
    file.write_text("int answer(void) { return ANSWER; }")
    return file


def test_a_file_is_compiled_once_for_each_definition(source, tmp_path) -> None:
    assert load_library(source, {"ANSWER": "42"}).answer() == 42
    assert load_library(source, {"ANSWER": "43"}).answer() == 43
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.so")}
    assert len(made) == 2
    assert load_library(source, {"ANSWER": "42"}).answer() == 42
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.so")} == made


def test_another_text_is_another_library(source) -> None:
    assert load_library(source, {"ANSWER": "1"}).answer() == 1
    source.write_text("double answer(void) { return ANSWER + 1; }")
    library = load_library(source, {"ANSWER": "1"})
    library.answer.restype = ctypes.c_double
    assert library.answer() == 2.0


def test_without_a_compiler_it_says_so(source, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(NoCompilerError, match="no C compiler on this machine"):
        load_library(source, {"ANSWER": "42"})


def test_what_the_compiler_refuses_is_told(source, tmp_path) -> None:
    with pytest.raises(NoCompilerError, match="error"):
        load_library(source, {})
    assert not list((tmp_path / "cache").rglob("*.so"))
    assert not [folder for folder in (tmp_path / "cache" / "sgdlab" / "kernels").iterdir() if folder.is_dir()]


def test_a_folder_that_can_t_be_written_is_told(source, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(NoCompilerError, match="can't write"):
        load_library(source, {"ANSWER": "42"})


def test_the_environment_names_the_compiler(monkeypatch) -> None:
    path, version = find_compiler()
    assert os.access(path, os.X_OK)
    assert version
    find_compiler.cache_clear()
    monkeypatch.setenv("CC", path)
    monkeypatch.setenv("PATH", "")
    assert find_compiler() == (path, version)
