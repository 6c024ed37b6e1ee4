"""Groups over NVSHMEM on stand-ins for the driver, NVSHMEM and compilers: what processes do together, and what they say
when one of them does not. Nothing is computed; `nvshmem.py` compares outputs, on a GPU."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pair import both

HERE = Path(__file__).resolve().parent
NUMBERS = {"MAJOR": 3, "MINOR": 4, "PATCH": 5}
VERSION = "".join(f"#define NVSHMEM_VENDOR_{part}_VERSION {number}\n" for part, number in NUMBERS.items())

#: What a process does first: it joins, and prints what is refused.
START = """
import os, sys, time
sys.path.insert(0, {here!r})
import swiftep
from inputs import Inputs, layer_weights
from swiftep._library import load
process, ranks, sizes = int(sys.argv[1]), {ranks}, {{"top_k": 2, "max_tokens": 8}}
if process == 0:
    print(swiftep.Group.identify(2), flush=True)
identity, device = sys.stdin.readline().strip(), swiftep.Device("cuda:0")

def join(**options):
    return swiftep.Group.join(identity, process, 2, ranks, device, seconds={seconds}, transport="nvshmem", **options)

def layers(group, **options):
    weights, shared = layer_weights(1, ranks, local=2, hidden=256, intermediate=128)
    made = [swiftep.LayerWeights(*map(device.array, weights[rank])) for rank in group._local()]
    shared = swiftep.SharedExpert(*map(device.array, shared))
    return group.layers(weights=made, shared=shared, two_batch=True, **{{**sizes, **options}})

def refused(what, call):
    try:
        call()
    except swiftep.Error as wrong:
        print(f"{{what}}: {{type(wrong).__name__}}: {{wrong}}", flush=True)
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """Variables of a machine with a GPU, NVSHMEM and CUDA that are stand-ins."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("needs a C compiler")
    root = tmp_path_factory.mktemp("machine")
    nvshmem, cuda = root / "nvshmem", root / "cuda"
    for file, text in {
        nvshmem / "include/nvshmem.h": "",
        nvshmem / "include/non_abi/nvshmem_version.h": VERSION,
        nvshmem / "lib/libnvshmem_device.a": "",
        cuda / "include/cuda/std/cstdint": "",
        cuda / "include/cuda_runtime.h": "",
        cuda / "include/crt/host_defines.h": "",
        cuda / "lib64/nothing": "",
    }.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for source, library in {
        "driver": root / "libcuda.so.1",
        "nvshmem": nvshmem / "lib/libnvshmem_host.so.3",
        "compilers": cuda / "lib64/libnvrtc.so.13",
    }.items():
        text = HERE / "stand_ins" / "machine" / f"{source}.c"
        options = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-pthread"]
        subprocess.run([compiler, *options, str(text), "-o", str(library)], check=True)
    shutil.copy(cuda / "lib64/libnvrtc.so.13", cuda / "lib64/libnvJitLink.so.13")
    return {
        "LD_LIBRARY_PATH": str(root),
        "SWIFTEP_NVSHMEM_HOME": str(nvshmem),
        "SWIFTEP_CUDA_HOME": str(cuda),
        "SWIFTEP_CACHE": "",
    }


@pytest.fixture
def run(environment, machine):
    """Runs `code` in two processes of a group. Returns what each has printed, and said on standard error."""

    def call(code, ranks=2, seconds=30):
        found = both({**environment, **machine}, START.format(here=str(HERE), ranks=ranks, seconds=seconds) + code)
        for output, errors in found:
            assert "Traceback" not in errors and "wait for ever" not in errors and "differ" not in errors, errors
            print(output, errors)
        return found

    return call


@pytest.mark.parametrize("ranks", [2, 4])
def test_layers_one_after_the_other(run, tmp_path, ranks):
    """All of the symmetric heap is used again, and freed at the end; and what there is not is refused."""
    code = f"""
from pathlib import Path
another = Path({str(tmp_path / "another")!r})
if process == 0:
    another.write_text(swiftep.Group.identify(2))
""" + """
group = join()
for turn in range(3):
    with layers(group) as made:
        x, out = ([device.zeros((8, 256), "bfloat16") for _ in made] for _ in range(2))
        choices, factors = ([device.zeros((8, 2), kind) for _ in made] for kind in ("int64", "float32"))
        made.step(x, choices, factors, "none", out=out)
refused("masks", lambda: layers(group, mask=True))
refused("buffers", lambda: group.buffers(hidden=256, experts=2 * ranks, **sizes))
kept = layers(group)
if load().swiftep_group_close(group._number, 5.0):
    print("close:", load().swiftep_last_error().decode())
group.barrier()
kept.close()
group.close()
identity = another.read_text()
refused("again", join)
print("done")
"""
    for output, errors in run(code, ranks):
        assert "masks: InvalidArgument: NVSHMEM cannot go on without a process" in output
        assert "buffers: InvalidArgument" in output and "leave out the network" in output
        assert "close: NVSHMEM is to end, and memory of 1 layer is still in use" in output
        assert "again: OutOfOrder: NVSHMEM has been started before in this process" in output
        assert output.endswith("done\n")
        used = [int(number) for number in re.findall(r"uses (\d+)", errors)]
        assert used.count(max(used)) == 4, used
        assert "has ended with 0\n" in errors


def test_nodes_that_cannot_be(run):
    code = """
refused("nodes", lambda: join(ranks_per_node=3))
"""
    for output, _ in run(code):
        assert "nodes: InvalidArgument: nodes of 3 ranks cannot be: a process has 1, and a machine has 2" in output


def test_one_process_has_none(run):
    """Both say so at once."""
    code = """
began = time.monotonic()
if process == 1:
    os.environ["SWIFTEP_NVSHMEM_HOME"] = "/nowhere"
refused("joining", join)
assert time.monotonic() - began < 20
"""
    (first, _), (second, _) = run(code)
    assert "joining: TransportError: there is no NVSHMEM in /nowhere" in second
    assert "joining: TransportError: process 1 cannot use NVSHMEM: there is no NVSHMEM in /nowhere" in first


def test_processes_make_different_layers(run):
    """They are told before the heaps differ, and may go on."""
    code = """
group = join()
refused("layers", lambda: layers(group, max_tokens=8 + process))
with layers(group):
    group.barrier()
group.close()
print("done")
"""
    for output, _ in run(code):
        assert re.search(r"layers: TransportError: memory of NVSHMEM is \d+ bytes for its rank 0 in process 1", output)
        assert output.endswith("done\n")


def test_a_process_comes_late(run):
    code = """
group = join()
if process == 1:
    time.sleep(4)
else:
    refused("layers", lambda: layers(group))
with layers(group):
    group.barrier()
group.close()
print("done")
"""
    (first, _), (second, _) = run(code, seconds=2)
    assert "layers: TransportError: process 1 did not come to a group of ranks over NVSHMEM within 2.0 s" in first
    assert first.endswith("done\n") and second.endswith("done\n")


def test_a_process_dies(run):
    """The other one's next layer is refused; its group can be closed, and NVSHMEM is not called any more."""
    code = """
group = join()
with layers(group):
    group.barrier()
if process == 1:
    os._exit(3)
refused("layers", lambda: layers(group))
group.close()
print("done")
"""
    (output, errors), _ = run(code)
    assert "layers: TransportError: process 1 has gone" in output and output.endswith("done\n")
    assert "has ended" not in errors
