"""Groups of two processes on the simulator: the same bits as with all ranks in one process."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import swiftep
from pair import both, finish, started
from process import run
from swiftep import _group

SCRIPT = str(Path(__file__).resolve().parent / "process.py")


@pytest.fixture(scope="module")
def wanted():
    """By the number of ranks, what one process gets."""
    results = {}

    def of(ranks):
        if ranks not in results:
            with swiftep.Group.local(ranks, "simulator") as group:
                results[ranks] = run(group)
        return results[ranks]

    return of


def compare(file, wanted):
    found = {}
    for process in range(2):
        with np.load(f"{file}.{process}.npz") as saved:
            found.update(saved)
    calls = {name: found.pop(name) for name in list(found) if name.startswith("call")}
    assert set(found) == set(wanted)
    for name, values in found.items():
        assert (values == wanted[name]).all(), name
    for name, values in calls.items():
        assert (values == wanted[name.replace("call", "single_batch")]).all(), name
    return calls


def start(environment, *arguments):
    return subprocess.Popen(
        [sys.executable, "-X", "faulthandler", SCRIPT, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.mark.parametrize("ranks", [2, 4])
def test_join(environment, tmp_path, wanted, ranks):
    file = str(tmp_path / "results")
    first, second = (start(environment, "pipe", str(process), "2", str(ranks), file) for process in range(2))
    identity = first.stdout.readline()
    for process in (first, second):
        process.stdin.write(identity)
        process.stdin.flush()
    for process, (_, errors) in zip((first, second), finish((first, second))):
        assert process.returncode == 0, errors
        assert not errors
    calls = compare(file, wanted(ranks))
    assert len(calls) == (2 if ranks == 2 else 0)


def test_from_torch(environment, tmp_path, wanted):
    pytest.importorskip("torch", reason="needs PyTorch")
    file = str(tmp_path / "results")
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", SCRIPT, "torch", "2", file]
    run_ = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=150,
        env={**environment, "OMP_NUM_THREADS": "1"},
    )
    assert run_.returncode == 0, run_.stderr[-4000:]
    compare(file, wanted(2))


def test_from_mpi(environment, tmp_path, wanted):
    pytest.importorskip("mpi4py", reason="needs mpi4py and mpiexec")
    beside = Path(sys.executable).parent / "mpiexec"
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    assert mpiexec, "mpi4py is there, and there is no mpiexec"
    file = str(tmp_path / "results")
    run_ = subprocess.run(
        [mpiexec, "-n", "2", sys.executable, SCRIPT, "mpi", "2", file],
        capture_output=True,
        text=True,
        timeout=150,
        env=environment,
    )
    assert run_.returncode == 0, run_.stderr[-4000:]
    compare(file, wanted(2))


def test_a_network_that_simulators_have_not(environment):
    """All processes are told so and leave, and none waits for another."""
    code = """
import sys, time, swiftep
process = int(sys.argv[1])
if process == 0:
    print(swiftep.Group.identify(2, "localhost"), flush=True)
identity, began = sys.stdin.readline().strip(), time.monotonic()
try:
    swiftep.Group.join(identity, process, 2, device="simulator", seconds=30, transport="nvshmem")
except swiftep.InvalidArgument as wrong:
    print("refused:", wrong, "in time" if time.monotonic() - began < 20 else "late")
"""
    for output, errors in both(environment, code):
        assert output.startswith("refused: NVSHMEM moves memory of GPUs") and output.endswith("in time\n"), errors


def test_where_processes_meet(monkeypatch):
    assert swiftep.Group.identify(2).startswith("127.0.0.1:")
    assert swiftep.Group.identify(2, "localhost").startswith("localhost:")
    with pytest.raises(swiftep.TransportError, match="cannot listen at 192.0.2.1:0"):
        swiftep.Group.identify(2, "192.0.2.1")
    with pytest.raises(swiftep.InvalidArgument, match="host is 7; give a name or number of this machine"):
        swiftep.Group.identify(2, 7)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    assert _group._identity(2, "nvshmem", None)[1].startswith("localhost:")
    assert _group._identity(2, "nvshmem", "127.0.0.1")[1].startswith("127.0.0.1:")
    assert _group._identity(2, "load_store", None)[1].startswith("127.0.0.1:")
    monkeypatch.setenv("MASTER_ADDR", "192.0.2.1")
    with pytest.raises(swiftep.TransportError, match="cannot listen .*it was to meet the others at host '192.0.2.1'"):
        _group._told(_group._identity(2, "nvshmem", None))
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert _group._identity(2, "nvshmem", None)[1].startswith("127.0.0.1:")


def test_nobody_comes():
    with swiftep.Device() as device:
        identity = swiftep.Group.identify(2)
        with pytest.raises(swiftep.TransportError, match="1"):
            swiftep.Group.join(identity, 0, 2, device=device, seconds=0.3)
        with pytest.raises(swiftep.InvalidArgument, match="identity"):
            swiftep.Group.join("nowhere", 0, 2, device=device, seconds=0.3)
        with pytest.raises(swiftep.Error):
            swiftep.Group.join(identity, 1, 2, device=device, seconds=0.3)


def test_the_others_say_something_else(environment):
    """Processes with different numbers of ranks find out when they join."""
    code = """
import sys, swiftep
process = int(sys.argv[1])
ranks = 2 + 2 * process
if process == 0:
    print(swiftep.Group.identify(2), flush=True)
try:
    swiftep.Group.join(sys.stdin.readline().strip(), process, 2, ranks, "simulator", seconds=10)
except swiftep.TransportError as wrong:
    print("refused:", wrong)
"""
    for output, errors in both(environment, code):
        assert output.startswith("refused:"), errors


def test_a_process_that_dies(environment):
    """The other one's wait ends in an error; nobody hangs."""
    code = """
import os, sys, numpy as np, swiftep
process = int(sys.argv[1])
if process == 0:
    print(swiftep.Group.identify(2), flush=True)
group = swiftep.Group.join(sys.stdin.readline().strip(), process, 2, device="simulator", seconds=10)
(buffer,) = group.buffers(hidden=128, experts=2, top_k=1, max_tokens=2, wait_seconds=2.0)
group.barrier(10)
if process == 1:
    os._exit(3)
try:
    buffer.dispatch(np.zeros((2, 128), np.uint16), np.zeros((2, 1), np.int64)).receive()
    group.synchronize()
except (swiftep.WaitTimedOut, swiftep.TransportError) as wrong:
    print("ended:", wrong)
"""
    first, second = started(environment, code)
    (output, errors), _ = finish((first, second), 60)
    assert output.startswith("ended:") and "rank 1" in output, errors
    assert second.returncode == 3
