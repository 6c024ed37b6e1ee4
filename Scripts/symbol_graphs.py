"""Symbol graphs of the package's public modules, from a build that is there. For Scripts/docs and Scripts/api."""

import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILT = ROOT / ".build" / "release" / "Modules"
# The Swift modules of the library products in Package.swift, in the order of their floors.
MODULES = ["KernelLanguage", "PTX", "Simulator", "Accelerator", "ExpertKernels", "Transport", "ExpertParallel"]


class Failure(Exception):
    """What went wrong and what to do, in one sentence."""


def target() -> str:
    """The triple that the toolchain builds for."""
    printed = subprocess.run(["swiftc", "-print-target-info"], capture_output=True, text=True, check=True).stdout
    return json.loads(printed)["target"]["unversionedTriple"]


def write(folder: pathlib.Path, built: pathlib.Path) -> None:
    """Writes the symbol graphs of all modules of `built` to `folder`, in a folder for each module."""
    missing = [name for name in MODULES if not (built / f"{name}.swiftmodule").exists()]
    if missing:
        raise Failure(f"{built} has no module {', '.join(missing)}; run: swift build -c release --build-tests")
    triple = target()
    for name in MODULES:
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        for stale in place.glob("*.symbols.json"):
            stale.unlink()
        result = subprocess.run(
            ["swift", "symbolgraph-extract", "-module-name", name, "-I", str(built), "-target", triple,
             "-minimum-access-level", "public", "-skip-synthesized-members",
             "-module-cache-path", str(folder / "module-cache"), "-output-dir", str(place)],
            capture_output=True, text=True)
        if result.returncode != 0 or not (place / f"{name}.symbols.json").exists():
            raise Failure(f"no symbol graph of {name}: {result.stdout}{result.stderr}")
