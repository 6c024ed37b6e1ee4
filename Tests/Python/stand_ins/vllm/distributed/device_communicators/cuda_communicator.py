"""Chooses a manager by name."""


class CudaCommunicator:
    def __init__(self, cpu_group, all2all_backend):
        if all2all_backend == "allgather_reducescatter":
            from .all2all import AgRsAll2AllManager

            self.all2all_manager = AgRsAll2AllManager(cpu_group)
        elif all2all_backend == "deepep_low_latency":
            from .all2all import DeepEPLLAll2AllManager

            self.all2all_manager = DeepEPLLAll2AllManager(cpu_group)
        else:
            raise ValueError(f"Unknown all2all backend: {all2all_backend}")
