"""The platform, as far as the choice of a back end asks it."""

import torch


class Platform:
    def fp8_dtype(self):
        return torch.float8_e4m3fn


current_platform = Platform()
