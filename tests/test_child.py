"""The isolated child: what it answers, what it cannot do, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from socsci210 import child
from socsci210.errors import DatasetError, ExpressionError, GateError, ReadError, SocSciError

TASKS = """
import os, sys
from pathlib import Path
from socsci210 import errors

def environment(payload): return {"given": payload, "env": dict(os.environ), "cwd": os.getcwd()}
def interfaces(payload): return {"names": [l.split(":")[0].strip() for l in Path("/proc/net/dev").read_text().splitlines()[2:]]}
def writes(payload): Path("inside.txt").write_text("kept"); return {}
def prints(payload): os.write(1, b"noise"); print("more noise"); return {"clean": True}
def refused(payload): raise errors.ReadError("a", where="b", expected="c", fix="d")
def gate(payload): raise errors.GateError("arms", "too few")
def signals(payload):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return {"landlock": version, "parent": libc.kill(os.getppid(), 0), "itself": libc.kill(os.getpid(), 0)}
def bug(payload): return {"x": 1 / 0}
def full(payload): raise OSError(28, "a message")
def hangs(payload):
    while True: pass
def eats(payload): return {"n": len(bytearray(3 << 30))}
def fills(payload):
    with open("big.bin", "wb") as file:
        for _ in range(64): file.write(bytes(1 << 20))
    return {}
def crashes(payload): import ctypes; ctypes.string_at(0)
def leaves(payload): os._exit(3)
def connects(payload): import socket; socket.create_connection(("127.0.0.1", 9)); return {}
def spawns(payload): import subprocess; subprocess.run(["true"]); return {}
def shell(payload): return {"code": os.system("true")}
def forks(payload): return {"pid": os.fork()}
def touches(payload): open(payload["path"], "w"); return {}
def removes(payload): os.remove(payload["path"]); return {}
def renames(payload): Path("mine").write_text("x"); os.rename("mine", payload["path"]); return {}
def climbs(payload): Path("..", Path(payload["path"]).name).write_text("x"); return {}
def links(payload): os.symlink(payload["path"], "link"); open("link", "w"); return {}
def native(payload):
    import pyarrow as pa, pyarrow.parquet as pq
    pq.write_table(pa.table({"a": [1]}), payload["path"])
    return {}
"""


@pytest.fixture()
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "naughty_tasks.py").write_text(TASKS)
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))

    def run(task: str, payload: dict[str, Any] | None = None, **limits: float) -> dict[str, Any]:
        given = {"seconds": 20.0, "memory_gb": 4.0, "write_gb": 1.0, **limits}
        return child._call(f"naughty_tasks:{task}", payload or {}, out=tmp_path / "out", **given)

    return run


def test_the_child_gets_its_payload_and_none_of_our_environment(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    answer = call("environment", {"text": "é", "numbers": [1, 2.5, None]})
    assert answer["given"] == {"text": "é", "numbers": [1, 2.5, None]}
    assert "secret" not in answer["env"].values()
    assert answer["env"]["SOCSCI210_CHILD"] == "1"
    assert answer["env"]["HOME"] == answer["env"]["TMPDIR"] == answer["cwd"] == str((tmp_path / "out").resolve())


def test_starting_is_quick(call: Any) -> None:
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        call("writes")
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.4


def test_what_a_library_prints_does_not_mix_with_the_answer(call: Any) -> None:
    assert call("prints") == {"clean": True}


def test_it_may_write_in_its_folder(call: Any, tmp_path: Path) -> None:
    call("writes")
    assert (tmp_path / "out" / "inside.txt").read_text() == "kept"


@pytest.mark.parametrize("task", ["touches", "removes", "renames", "climbs", "links", "native"])
def test_it_may_not_change_a_file_elsewhere(call: Any, tmp_path: Path, task: str) -> None:
    other = tmp_path / "other.txt"
    other.write_text("before")
    with pytest.raises(RuntimeError, match="PermissionError"):
        call(task, {"path": str(other)})
    assert other.read_text() == "before"


@pytest.mark.parametrize("task", ["connects", "spawns", "shell", "forks"])
def test_it_has_no_network_and_no_other_processes(call: Any, task: str) -> None:
    with pytest.raises(RuntimeError, match="may not use the network or start processes"):
        call(task)


def test_where_the_system_allows_it_the_child_sees_no_network_interface_but_its_own_loopback(call: Any) -> None:
    assert call("interfaces")["names"] in (["lo"], [line.split(":")[0].strip() for line in _interfaces()])


def test_where_the_kernel_allows_it_native_code_of_the_child_cannot_end_other_processes(call: Any) -> None:
    answer = call("signals")
    if answer["landlock"] < 6:
        pytest.skip("the kernel does not scope signals")
    assert answer["parent"] == -1 and answer["itself"] == 0


def _interfaces() -> list[str]:
    return Path("/proc/net/dev").read_text().splitlines()[2:]


def test_its_own_errors_come_back_whole(call: Any) -> None:
    with pytest.raises(ReadError) as caught:
        call("refused")
    assert str(caught.value) == str(ReadError("a", where="b", expected="c", fix="d"))
    assert (caught.value.found, caught.value.where, caught.value.expected, caught.value.fix) == ("a", "b", "c", "d")
    with pytest.raises(GateError, match=r"\[arms\] too few") as gate:
        call("gate")
    assert gate.value.gate == "arms"


def test_a_bug_shows_its_traceback(call: Any) -> None:
    with pytest.raises(RuntimeError, match=r"bug failed in its isolated process: ZeroDivisionError: .*\nTraceback"):
        call("bug")


def test_a_full_disk_is_named(call: Any) -> None:
    with pytest.raises(DatasetError, match=r"(?s)could not write its answer \(No space left on device\).*free some space"):
        call("full")


def test_all_children_can_be_ended(call: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        begun = time.perf_counter()
        waiting = pool.submit(call, "hangs")
        while not waiting.done():
            child.end_children()
            time.sleep(0.05)
        assert time.perf_counter() - begun < 10
    with pytest.raises(SocSciError, match="was ended by SIGKILL"):
        waiting.result()


def test_time_limit(call: Any) -> None:
    begun = time.perf_counter()
    with pytest.raises(SocSciError, match=r"did not finish within 0\.5 s"):
        call("hangs", seconds=0.5)
    assert time.perf_counter() - begun < 3


def test_memory_limit(call: Any) -> None:
    with pytest.raises(SocSciError, match="more than its 1 GB of memory"):
        call("eats", memory_gb=1)


def test_write_limit(call: Any, tmp_path: Path) -> None:
    with pytest.raises(SocSciError, match=r"wrote a file larger than 0\.01 GB"):
        call("fills", write_gb=0.01)
    assert (tmp_path / "out" / "big.bin").stat().st_size <= 0.01 * 2**30


def test_a_crash_of_a_native_library_is_an_error_not_the_end_of_the_parent(call: Any) -> None:
    with pytest.raises(SocSciError, match="SIGSEGV") as caught:
        call("crashes")
    assert "sha256" in caught.value.fix


def test_an_answer_is_required(call: Any) -> None:
    with pytest.raises(SocSciError, match="ended with status 3 and no answer"):
        call("leaves")


def test_only_functions_of_the_package_are_tasks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a task is a function of this package"):
        child.run_child("os:system", {}, out=tmp_path)


def test_a_real_task_of_the_package(tmp_path: Path) -> None:
    """Anything in the package that takes a dict will do; an error of its own arrives with its class."""
    with pytest.raises(RuntimeError, match="TypeError"):
        child.run_child("socsci210.expressions:check", {}, out=tmp_path)
    assert issubclass(ExpressionError, SocSciError)


_AS_SOMEBODY_ELSE = """
import os, pathlib, sys
from socsci210 import confinement
out = pathlib.Path(sys.argv[1])
os.setgid(65534)
os.setuid(65534)
confinement.leave_network()
confinement.landlock(out)
confinement.audit(out)
(out / "inside").write_text("ok")
try:
    pathlib.Path(out.parent, "outside-of-" + out.name).write_text("no")
except PermissionError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_it_works_for_an_ordinary_user_too() -> None:
    """Only root may leave the network directly; others go through a user namespace, or stay and keep the audit hook."""
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, 65534, 65534)
        done = subprocess.run([sys.executable, "-c", _AS_SOMEBODY_ELSE, folder], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        assert (Path(folder) / "inside").read_text() == "ok"
        assert "may write only below" in done.stdout
