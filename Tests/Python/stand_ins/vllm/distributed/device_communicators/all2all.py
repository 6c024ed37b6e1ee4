"""Managers that the communicator chooses from."""

from .base_device_communicator import All2AllManagerBase


class AgRsAll2AllManager(All2AllManagerBase):
    pass


class DeepEPLLAll2AllManager(All2AllManagerBase):
    def __init__(self, cpu_group, tcp_store_group=None):
        raise AssertionError("DeepEP kernels not found")
