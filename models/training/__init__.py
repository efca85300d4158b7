"""Training: footage and generated scenes in, a checkpoint out. All but drawing the scenes needs torch."""
