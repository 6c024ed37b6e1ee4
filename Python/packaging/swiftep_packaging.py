"""Builds wheels with the shared library in them: setuptools, and one call of `swift build` before it.

`pyproject.toml` names this module as the build's back end and its classes as commands. The library has the Swift
runtime within, exports nothing but the C interface, and needs only glibc, libm, libstdc++ and libgcc_s.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parents[2]
NAME = "libSwiftEPABI.so"

#: First glibc of a distribution with a libstdc++ of this version, as PEP 600 has it (manylinux policies of auditwheel).
LIBSTDCXX = {19: 17, 22: 24, 24: 27, 25: 28, 26: 31, 28: 34, 29: 34, 30: 35, 31: 38, 32: 38, 33: 39}


def build_library(target: Path) -> None:
    """Builds the library, self-contained and stripped, as the file `target`."""
    if shutil.which("swift") is None:
        raise SystemExit("swift is not installed, and builds SwiftEP's library; see https://swift.org/install")
    scratch = ROOT / ".build" / "wheel"
    linker = [f"--version-script={ROOT / 'Python' / 'packaging' / 'exports.map'}", "-Bsymbolic", "-z", "nodelete"]
    command = ["swift", "build", "--package-path", str(ROOT), "--scratch-path", str(scratch)]
    command += ["-c", "release", "--product", "SwiftEPABI", "--static-swift-stdlib", "-Xswiftc", "-static-stdlib"]
    for word in linker:
        command += ["-Xlinker", word]
    print("$", *command, flush=True)
    subprocess.run(command, check=True, stdout=sys.stderr)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(scratch / "release" / NAME, target)
    subprocess.run(["strip", "--strip-unneeded", str(target)], check=True)


def platform_tag(library: Path) -> str:
    """The oldest manylinux that has what the library needs of glibc and libstdc++, by its versioned symbols."""
    content = library.read_bytes()
    glibc = max(int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)(?:\.\d+)?(?=\0)", content))
    libstdcxx = max((int(patch) for patch in re.findall(rb"\0GLIBCXX_3\.4\.(\d+)(?=\0)", content)), default=0)
    beside = next((minor for version, minor in sorted(LIBSTDCXX.items()) if version >= libstdcxx), None)
    if beside is None:
        raise SystemExit(f"{library} needs GLIBCXX_3.4.{libstdcxx}, which no known manylinux has; add it to LIBSTDCXX")
    machine = {62: "x86_64", 183: "aarch64"}[int.from_bytes(content[18:20], "little")]
    return f"manylinux_2_{max(glibc, beside)}_{machine}"


class BuildWithLibrary(build_py):
    """The package's files, and the library beside them."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # Which finds the library in the build folder of the checkout.
            build_library(Path(self.build_lib) / "swiftep" / NAME)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs: list[str] = super().get_outputs(include_bytecode)
        return outputs if self.editable_mode else [*outputs, str(Path(self.build_lib) / "swiftep" / NAME)]


class PlatformWheel(bdist_wheel):
    """A wheel for every Python 3 of one platform: the library is not Python's."""

    def finalize_options(self) -> None:
        self.distribution.has_ext_modules = lambda: True
        super().finalize_options()

    def get_tag(self) -> tuple[str, str, str]:
        library = Path(self.bdist_dir) / "swiftep" / NAME
        _, _, platform = super().get_tag()
        return "py3", "none", platform_tag(library) if library.is_file() else platform


__all__ = build_meta.__all__
