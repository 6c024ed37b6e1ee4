"""The shared library: found, loaded late, and alone with its names."""

import subprocess
import sys
from pathlib import Path

import pytest
import swiftep
from swiftep import _library
from swiftep._prototypes import PROTOTYPES


def run(code, environment, **changes):
    """Runs code in another interpreter, and gives what it printed."""
    env = {**environment, **{name: value for name, value in changes.items() if value is not None}}
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code], capture_output=True, text=True, timeout=60, env=env
    )


def test_it_is_loaded_at_the_first_call(environment):
    code = """
import sys, swiftep
from swiftep import _library
assert _library._library is None
assert not {"torch", "numpy"} & set(sys.modules)
assert "libSwiftEPABI" not in open("/proc/self/maps").read()
swiftep.Device()
assert "libSwiftEPABI" in open("/proc/self/maps").read()
print("ok")
"""
    found = run(code, environment)
    assert found.stdout == "ok\n", found.stderr


def test_loading_opens_no_gpu(environment):
    code = """
from swiftep import _library
_library.load()
assert "libcuda" not in open("/proc/self/maps").read()
print("ok")
"""
    found = run(code, environment)
    assert found.stdout == "ok\n", found.stderr


def test_where_it_may_be(monkeypatch):
    monkeypatch.setenv("SWIFTEP_LIBRARY", "/there/lib.so")
    assert _library.candidates() == [Path("/there/lib.so")]
    monkeypatch.delenv("SWIFTEP_LIBRARY")
    package = Path(swiftep.__file__).resolve().parent
    assert _library.candidates() == [
        package / "libSwiftEPABI.so",
        package.parents[1] / ".build" / "release" / "libSwiftEPABI.so",
    ]


@pytest.mark.parametrize(
    "name, words", [("missing.so", "there is no"), ("text.so", "cannot be loaded"), ("libc", "no function")]
)
def test_other_libraries_are_refused(environment, tmp_path, name, words):
    path = tmp_path / name
    if name == "text.so":
        path.write_text("no library")
    elif name == "libc":
        path = next(
            Path(p)
            for p in ("/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6")
            if Path(p).exists()
        )
    code = "import swiftep\ntry: swiftep.Device()\nexcept swiftep.LibraryNotFound as wrong: print(wrong)"
    found = run(code, environment, SWIFTEP_LIBRARY=str(path))
    assert words in found.stdout and str(path) in found.stdout, found.stderr


def test_names():
    """It gives its users all functions of the header. One that has the Swift runtime within gives nothing else."""
    library = Path(_library.load()._name)

    def tool(*command):
        return subprocess.run([*command, str(library)], capture_output=True, text=True, check=True)

    listed = tool("nm", "-D", "--extern-only", "--defined-only")
    names = {line.split()[-1].partition("@")[0] for line in listed.stdout.splitlines()}
    assert set(PROTOTYPES) <= names
    if "libswiftCore" not in tool("readelf", "-d").stdout:
        assert names == set(PROTOTYPES)


def test_nothing_is_closed_by_hand(environment):
    """Whatever is open when the interpreter ends is closed in order, and without a word."""
    code = """
import swiftep, numpy as np
group = swiftep.Group.local(2, "simulator")
buffers = group.buffers(hidden=128, experts=2, top_k=1, max_tokens=2)
sent = buffers[0].dispatch(np.zeros((2, 128), np.uint16), np.zeros((2, 1), np.int64))
cycle = [group, buffers]
cycle.append(cycle)
device = swiftep.Device()
array = device.array(np.arange(3))
print("ok")
"""
    found = run(code, environment)
    assert (found.returncode, found.stdout, found.stderr) == (0, "ok\n", "")


def test_garbage_is_freed(environment):
    code = """
import gc, swiftep
from swiftep import _handles
for _ in range(20):
    group = swiftep.Group.local(2, "simulator")
    buffers = group.buffers(hidden=128, experts=2, top_k=1, max_tokens=2)
    cycle = [group, buffers]
    cycle.append(cycle)
del group, buffers, cycle
gc.collect()
print(len(_handles._live))
"""
    found = run(code, environment)
    assert (found.returncode, found.stdout, found.stderr) == (0, "0\n", "")


def test_forked_processes_are_refused(environment):
    code = """
import os, swiftep
device = swiftep.Device()
child = os.fork()
if child == 0:
    try:
        device.synchronize()
    except swiftep.OutOfOrder as wrong:
        os._exit(7 if "forked" in str(wrong) else 8)
    os._exit(9)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
device.synchronize()
"""
    found = run(code, environment)
    assert (found.returncode, found.stdout, found.stderr) == (0, "7\n", "")
