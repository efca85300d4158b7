"""What `vosrt.benchmarks.gpu_suite` measures on a GPU, a program each."""
