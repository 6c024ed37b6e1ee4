"""Shared by the PyTorch modules: devices, addresses and streams of tensors, and checks of arguments."""
