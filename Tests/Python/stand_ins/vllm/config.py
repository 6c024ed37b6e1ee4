"""The configuration of the engine, as far as managers read it."""

from types import SimpleNamespace

CONFIG = SimpleNamespace(parallel_config=SimpleNamespace(enable_fault_tolerance=False))


def get_current_vllm_config():
    return CONFIG
