"""The base of all-to-all managers."""

import torch.distributed as dist


class All2AllManagerBase:
    rank: int
    world_size: int

    def __init__(self, cpu_group, tcp_store_group=None):
        self.cpu_group = cpu_group
        self.tcp_store_group = tcp_store_group
        self.rank = dist.get_rank(cpu_group)
        self.world_size = dist.get_world_size(cpu_group)

    def get_handle(self, kwargs):
        raise NotImplementedError

    def set_num_sms(self, num_sms):
        pass

    def max_sms_used(self):
        return None

    def destroy(self):
        pass
