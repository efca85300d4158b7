"""TensorRT: engines from a bundle's graphs, their cache, and the executor that runs them."""
