"""Files are written whole or not at all."""

import errno
import os
import stat
from pathlib import Path

import pytest

from spacetime_attn.layout.files import write_whole


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    return path


def alone(path: Path) -> bool:
    return [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_is_made_or_replaced(path):
    write_whole(path, b"new")
    assert path.read_bytes() == b"new" and alone(path)
    path.unlink()
    write_whole(str(path), b"newer")
    assert path.read_bytes() == b"newer" and alone(path)


def test_a_full_disk_leaves_the_old_file_and_is_named_with_it(path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device: .*picture.png"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old" and alone(path)


def test_an_interrupt_leaves_the_old_file(path, monkeypatch):
    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old" and alone(path)


@pytest.mark.parametrize("name", ["missing/a.json", "picture.png/a.json", "a" * 300, "."])
def test_what_cannot_be_written_is_named(path, name):
    with pytest.raises(OSError) as error:
        write_whole(path.parent / name, b"new")
    assert error.value.filename == str(path.parent / name) and alone(path)


def test_the_longest_name_that_a_disk_takes_can_be_written(path):
    write_whole(path.parent / ("a" * 255), b"new")


def test_a_file_keeps_its_permissions_and_a_new_one_gets_the_usual(path):
    path.chmod(0o640)
    write_whole(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    before = os.umask(0o027)
    try:
        write_whole(path.with_name("other"), b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.with_name("other").stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any file")
def test_a_protected_file_is_not_replaced(path):
    path.chmod(0o440)
    with pytest.raises(PermissionError, match="picture.png"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old" and alone(path)


def test_a_link_stays_one(path):
    link = path.with_name("link.png")
    link.symlink_to(path.name)
    write_whole(link, b"new")
    assert link.is_symlink() and path.read_bytes() == b"new"


def test_devices_and_pipes_are_written_to():
    write_whole("/dev/null", b"new")
    assert Path("/dev/null").is_char_device()
    reading, writing = os.pipe()
    write_whole(f"/dev/fd/{writing}", b"new")
    assert os.read(reading, 10) == b"new"
    os.close(reading), os.close(writing)
