"""Our own side of a comparison, and lines of results for the other's."""

import ctypes
import datetime
import json
import os
import re
import shlex
import subprocess
import sys

SCHEMA = 1


def bench(binary, *arguments, results=None):
    """What `swiftep bench` measures on the GPU, as its JSON says it; with `results` it adds its lines to that file."""
    command = [binary, "bench", *map(str, arguments), "--device", "cuda", "--json"]
    if results:
        command += ["--results", results]
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        sys.exit(f"{binary} cannot be run: {error}")
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{result.stderr}")
    return json.loads(result.stdout)


def median(rows):
    """The middle of sorted numbers, the lower one of two, as SwiftEP takes it."""
    return sorted(rows)[(len(rows) - 1) // 2]


class Results:
    """A file of results (`Benchmarks/results/README.md`) that a peer's rows are added to; nothing without a path."""

    def __init__(self, path, torch, source):
        self.path = path
        if not path:
            return
        properties = torch.cuda.get_device_properties(0)
        self.origin = {
            "schema": SCHEMA,
            "commit": commit(),
            "card": torch.cuda.get_device_name(0),
            "multiprocessors": properties.multi_processor_count,
            "driver": driver(),
            "command": shlex.join([os.path.basename(sys.argv[0]), *measuring(sys.argv[1:])]),
            "source": source,
            "simulated": False,
        }

    def add(self, bench, what, times, **fields):
        """Adds a row: `times` are microseconds of single measurements."""
        if not self.path:
            return
        now = datetime.datetime.now(datetime.timezone.utc)
        row = {
            **self.origin,
            "date": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "bench": bench,
            "what": what,
            "minimumMicroseconds": min(times),
            "medianMicroseconds": median(times),
            "maximumMicroseconds": max(times),
            **fields,
        }
        row = {name: value for name, value in row.items() if value is not None}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row, sort_keys=True, separators=(",", ":")) + "\n")


def measuring(words):
    """The words of a command line without those that say where results go."""
    kept, skip = [], False
    for word in words:
        if not skip and word != "--results" and not word.startswith("--results="):
            kept.append(word)
        skip = not skip and word == "--results"
    return kept


def commit():
    """What the environment says, or git of the working directory; None if nobody knows."""
    if given := os.environ.get("SWIFTEP_COMMIT"):
        return given
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return None
    return result.stdout.strip() or None if result.returncode == 0 else None


def driver():
    """The release of the driver and its CUDA version, as `swiftep` writes them."""
    version = ctypes.c_int()
    ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    cuda = f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"
    try:
        with open("/proc/driver/nvidia/version", encoding="utf-8") as file:
            release = re.search(r"(?<!\S)[0-9]+(\.[0-9]+)+(?!\S)", file.read())
    except OSError:
        release = None
    return f"{release.group()}, {cuda}" if release else cuda
