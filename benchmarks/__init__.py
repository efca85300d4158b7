"""Speed against the PyTorch baseline, accuracy on data sets, golden numbers, and the demonstration."""
