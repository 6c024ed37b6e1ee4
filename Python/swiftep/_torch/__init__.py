"""What the PyTorch modules share: devices, addresses and streams of tensors, and checks of arguments."""
