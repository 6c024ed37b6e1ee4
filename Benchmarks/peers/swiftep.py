"""Our own side of a comparison."""

import json
import subprocess
import sys


def bench(binary, *arguments):
    """What `swiftep bench` measures on the GPU, as its JSON says it."""
    command = [binary, "bench", *map(str, arguments), "--device", "cuda", "--json"]
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        sys.exit(f"{binary} cannot be run: {error}")
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{result.stderr}")
    return json.loads(result.stdout)
