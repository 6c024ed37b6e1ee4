"""Wrong calls never end the interpreter: they run in one of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize("seed", range(11, 15))
def test_fuzz(seed, environment):
    print("seed", seed)
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(HERE / "fuzz.py"), str(seed), "1500"],
        capture_output=True,
        text=True,
        timeout=100,
        env=environment,
    )
    print(run.stdout[-4000:])
    assert run.returncode == 0, run.stderr[-4000:]
    assert run.stdout.endswith("alive\n")
    assert "InternalError" not in run.stdout
    ended = [line.split()[-2] for line in run.stdout.splitlines()[:-1]]
    assert {"done", "InvalidArgument", "OutOfOrder"} <= set(ended)
