"""``python -m swiftep``: the demo."""

from __future__ import annotations

import argparse
import sys

from . import Error, demo


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m swiftep", description="One step of a small layer, checked.")
    parser.add_argument("--device", default="simulator", help="simulator (the default), cuda or cuda:N")
    parser.add_argument("--ranks", type=int, default=4, help="ranks, all in this process (default: 4)")
    parser.add_argument("--seed", type=int, default=1, help="seed of weights and tokens (default: 1)")
    arguments = parser.parse_args()
    try:
        demo(arguments.device, arguments.ranks, arguments.seed)
    except Error as wrong:
        print(f"swiftep: error: {wrong}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
