"""Changes to ONNX graphs for GPUs: sizes become fixed, and what follows from them constant."""
