"""The cache on the disk: where it is, that entries are whole or missing, and that it is bounded."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_seq.scan.c import disk

FILES = {"source.c": b"int f;\n", "data": bytes(range(256))}
NAME = disk.key("an entry")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """The folder of a cache of its own, which does not exist yet."""
    monkeypatch.setenv("TINYGRAD_SEQ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tinygrad_seq"


# --- where it is --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("base", ["/elsewhere", "relative", "", None])
def test_the_folder_is_the_one_of_platformdirs(platform, base, monkeypatch, tmp_path):
    classes = pytest.importorskip(
        "platformdirs", reason="platformdirs is not installed; it is in the extra test"
    )
    from platformdirs import macos, unix, windows

    monkeypatch.delenv("TINYGRAD_SEQ_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "AppData" / "Local"))
    monkeypatch.setattr(windows, "get_win_folder", windows.get_win_folder_from_env_vars)
    if base is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", base)
    kind = {"linux": unix.Unix, "darwin": macos.MacOS, "win32": windows.Windows}[platform]
    wanted = kind("tinygrad_seq", appauthor=False).user_cache_dir
    if platform == sys.platform:
        assert wanted == classes.user_cache_dir("tinygrad_seq", appauthor=False)
    with monkeypatch.context() as there:
        there.setattr(sys, "platform", platform)
        found = disk.folder()
    assert found == Path(wanted)


def test_without_a_home_there_is_no_cache(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TINYGRAD_SEQ_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert disk.keep(NAME, FILES) is None
    assert disk.lasting() is None
    assert disk.clear() == 0
    assert os.listdir(tmp_path) == []


# --- entries ------------------------------------------------------------------------------------------------


def test_an_entry_is_kept_as_it_was_written(place):
    assert disk.kept(NAME) is None
    assert disk.keep(NAME, FILES) == disk.kept(NAME) == place / NAME
    assert {name: (place / NAME / name).read_bytes() for name in FILES} == FILES
    assert os.listdir(place) == [NAME]


def test_keys_differ_in_every_part_and_in_where_it_ends():
    keys = [disk.key("a", "b"), disk.key("b", "a"), disk.key("ab"), disk.key("ab", ""), disk.key("a")]
    assert len(set(keys)) == len(keys)
    assert disk.key("a", "b") == keys[0]


def shorten(path):
    path.write_bytes(path.read_bytes()[:50])


def flip(path):
    content = bytearray(path.read_bytes())
    content[7] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [shorten, flip, Path.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("file", ["data", disk.SEAL])
def test_a_damaged_entry_counts_as_missing_and_can_be_written_again(place, damage, file):
    disk.keep(NAME, FILES)
    damage(place / NAME / file)
    assert disk.kept(NAME) is None
    assert disk.keep(NAME, FILES) == place / NAME
    assert (place / NAME / "data").read_bytes() == FILES["data"]


def test_the_entry_that_is_there_stays(place):
    disk.keep(NAME, FILES)
    assert disk.keep(NAME, {"data": b"of another process"}) == place / NAME
    assert (place / NAME / "data").read_bytes() == FILES["data"]
    assert os.listdir(place) == [NAME]


WRITER = """
import sys
from tinygrad_seq.scan.c import disk
sys.stdin.readline()
print(*[disk.keep(disk.key(str(i)), {"data": b"%d" % i * 1000}) is not None for i in range(50)])
"""


def test_two_processes_write_at_once(place):
    two = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in two:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate()[0].split() for process in two] == [["True"] * 50] * 2
    assert sorted(os.listdir(place)) == sorted(disk.key(str(i)) for i in range(50))
    for i in range(50):
        assert (disk.kept(disk.key(str(i))) / "data").read_bytes() == b"%d" % i * 1000


def test_a_folder_that_cannot_be_written(place, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert disk.keep(NAME, FILES) is None
    assert disk.lasting() is None
    assert os.listdir(place) == []


def test_a_folder_that_cannot_be_made(place):
    place.parent.write_text("a file where the folder should be")
    assert disk.keep(NAME, FILES) is None
    assert disk.kept(NAME) is None
    assert disk.lasting() is None
    assert disk.clear() == 0


def test_a_disk_that_can_only_be_read_still_gives_its_entries(place, monkeypatch):
    disk.keep(NAME, FILES)

    def utime(path):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "utime", utime)
    assert disk.kept(NAME) == place / NAME


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_disk_that_is_full_leaves_nothing(place, monkeypatch, written):
    """It is full after some files of an entry; the seal is the third."""
    files = []

    def limited(path, content, write=Path.write_bytes):
        files.append(path)
        if len(files) > written:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", limited)
    assert disk.keep(NAME, FILES) is None
    assert os.listdir(place) == []


def test_an_interrupt_leaves_nothing(place, monkeypatch):
    def interrupted(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(disk, "_seal", interrupted)
    with pytest.raises(KeyboardInterrupt):
        disk.keep(NAME, FILES)
    assert os.listdir(place) == []


# --- the bound ----------------------------------------------------------------------------------------------


def test_the_entries_that_were_used_longest_ago_go_first(place, monkeypatch):
    monkeypatch.setattr(disk, "BOUND", 4500)
    monkeypatch.setattr(disk, "OFTEN", 0)
    names = [disk.key(str(i)) for i in range(6)]
    for age, name in enumerate(names[:4]):
        disk.keep(name, {"data": bytes(1000)})  # and the seal, of 64 bytes
        os.utime(place / name, (age, age))
    assert len(os.listdir(place)) == 4
    disk.kept(names[0])
    disk.keep(names[4], {"data": bytes(1000)})
    assert sorted(os.listdir(place)) == sorted([names[0], *names[2:5]])
    disk.keep(names[5], {"data": bytes(2000)})
    assert sorted(os.listdir(place)) == sorted([names[0], *names[4:]])


def test_a_process_looks_at_all_entries_at_its_first_and_then_sometimes(place, monkeypatch):
    looks = []
    monkeypatch.setattr(disk, "_trim", lambda: looks.append(len(os.listdir(place))))
    monkeypatch.setattr(disk, "OFTEN", 3000)
    monkeypatch.setattr(disk, "_since", 3000)
    for i in range(8):
        disk.keep(disk.key(str(i)), {"data": bytes(1000)})
    assert looks == [1, 4, 7]


def test_what_a_killed_process_left_is_deleted_in_its_turn(place, monkeypatch):
    draft = place / f"{NAME}.123.456"
    draft.mkdir(parents=True)
    (draft / "data").write_bytes(bytes(1000))
    os.utime(draft, (0, 0))
    disk.keep(NAME, FILES)
    assert draft.exists()
    monkeypatch.setattr(disk, "BOUND", 1000)
    monkeypatch.setattr(disk, "OFTEN", 0)
    disk.keep(disk.key("another"), FILES)
    assert not draft.exists()


def test_clear_deletes_entries_and_the_files_of_ziglang_and_nothing_else(place):
    disk.keep(NAME, FILES)
    (place / disk.ZIG / "o").mkdir(parents=True)
    (place / disk.ZIG / "o" / "crt.o").write_bytes(bytes(5000))
    (place / "of the user").mkdir()
    size = sum(map(len, FILES.values())) + 64 + 5000
    assert disk.clear() == size
    assert os.listdir(place) == ["of the user"]
    assert disk.clear() == 0
