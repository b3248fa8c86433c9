"""Files of reports: opened before a session, written whole after it, each on its own."""

import os
from pathlib import Path

import pytest

from conformance import namespaces
from conformance.report.files import File, Reports

from .child import in_child
from .sample import mixed


def test_a_text_is_written_whole_and_replaces_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("before")
    with File(tmp_path / "r.txt") as file:
        assert (tmp_path / "r.txt").read_text() == "before"
        file.write("after")
    assert (tmp_path / "r.txt").read_text() == "after"
    assert os.listdir(tmp_path) == ["r.txt"]


def test_what_is_not_written_leaves_nothing(tmp_path: Path) -> None:
    with File(tmp_path / "r.txt"), pytest.raises(UnicodeEncodeError), File(tmp_path / "s.txt") as file:
        file.write("\ud800")
    assert os.listdir(tmp_path) == []


def test_what_is_no_ordinary_file_is_written_to_and_stays() -> None:
    with File("/dev/null") as file:
        file.write("nothing")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("path", ["nowhere/r.json", ".", "file/r.json"])
def test_one_that_cannot_be_opened_is_known_at_once_and_leaves_nothing_of_the_others(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError), Reports({"junit": str(tmp_path / "j.xml"), "json": str(tmp_path / path)}):
        pass
    assert os.listdir(tmp_path) == ["file"]


def test_one_that_fails_does_not_keep_the_others_from_being_written(tmp_path: Path) -> None:
    paths = {"json": "/dev/full", "badge": str(tmp_path / "b.svg")}
    with Reports(paths) as reports:
        (problem,) = reports.write([mixed()])
    assert problem.startswith("no json report in /dev/full: ")
    assert os.listdir(tmp_path) == ["b.svg"]


@pytest.mark.root
def test_what_is_mounted_over_a_path_later_does_not_hide_the_file(tmp_path: Path) -> None:
    def work() -> None:
        with Reports({"badge": str(tmp_path / "b.svg")}) as reports:
            namespaces.mount_tmpfs(str(tmp_path))
            assert reports.write([mixed()]) == []

    in_child(work)
    assert os.listdir(tmp_path) == ["b.svg"]
