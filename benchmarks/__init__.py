"""Speed against the PyTorch baseline, golden numbers, matching alone, and the demonstration."""
