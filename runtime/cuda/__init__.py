"""Arrays and small graphs on an NVIDIA GPU."""
