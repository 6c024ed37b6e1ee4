"""Two processes that join a group."""

import subprocess
import sys


def finish(processes, seconds=120):
    """Waits for processes, and ends those that do not end by themselves."""
    try:
        return [process.communicate(timeout=seconds) for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def started(environment, code):
    """Two processes that run `code`, of which the first prints the identity that both read."""
    first, second = (
        subprocess.Popen(
            [sys.executable, "-c", code, str(process)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for process in range(2)
    )
    identity = first.stdout.readline()
    for process in (first, second):
        process.stdin.write(identity)
        process.stdin.flush()
    return first, second


def both(environment, code):
    """Output and errors of such processes."""
    return finish(started(environment, code), 60)
