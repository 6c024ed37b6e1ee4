"""The README's Python runs as it stands there."""

import pathlib
import re

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def test_the_example_runs() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1, "the README has one example in Python"
    names: dict = {}
    exec(compile(blocks[0], str(README), "exec"), names)
    numpy, outputs = names["numpy"], names["outputs"]
    assert [output.shape for output in outputs] == [(8, 256)] * 4
    assert all(numpy.asarray(output).any() for output in outputs)
