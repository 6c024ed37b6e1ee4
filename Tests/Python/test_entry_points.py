"""What engines find in the package's metadata is there, and importing it imports no engine."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib", reason="Python reads TOML from 3.11 on")
PROJECT = Path(__file__).resolve().parents[2]


def declared():
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())


def test_entry_points_are_functions():
    groups = declared()["project"]["entry-points"]
    assert sorted(groups) == ["sglang.srt.plugins", "vllm.general_plugins"]
    for group in groups.values():
        assert list(group) == ["swiftep"]
        module, _, function = group["swiftep"].partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_all_packages_are_found():
    """Packaging takes folders with an ``__init__.py``; no module lies in one without."""
    find = declared()["tool"]["setuptools"]["packages"]["find"]
    assert find == {"where": ["Python"], "include": ["swiftep*"]}
    for module in (PROJECT / "Python" / "swiftep").rglob("*.py"):
        assert (module.parent / "__init__.py").is_file(), module


@pytest.mark.parametrize("module", ["swiftep.sglang", "swiftep.vllm", "swiftep.transformers"])
def test_imports_are_light(module, environment):
    if module == "swiftep.transformers":
        pytest.importorskip("torch", reason="its functions are PyTorch's operators")
    code = f"import sys, {module}; print([m for m in ('sglang', 'vllm', 'transformers') if m in sys.modules])"
    made = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "[]"
