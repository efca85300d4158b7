"""Where results go: overlay video, indexed PNGs, run-length encoded lines, cut-outs, a function."""
