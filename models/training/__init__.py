"""Training: footage and generated scenes in, a checkpoint out. Needs torch."""
