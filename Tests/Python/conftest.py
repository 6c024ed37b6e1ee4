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
