"""The package of this checkout is tested, whether one is installed or not."""

import os
import sys
from pathlib import Path

import pytest

PACKAGE = str(Path(__file__).resolve().parents[2] / "Python")
sys.path.insert(0, PACKAGE)


@pytest.fixture
def environment():
    """Variables of an interpreter that imports the same package."""
    paths = [PACKAGE, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def pytest_collection_modifyitems(items):
    """Tests on a GPU are skipped, and say so, where PyTorch sees none."""
    try:
        import torch

        reason = None if torch.cuda.is_available() else "needs a GPU"
    except ImportError:
        reason = "needs PyTorch and a GPU"
    for item in items:
        if reason and item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason=reason))
