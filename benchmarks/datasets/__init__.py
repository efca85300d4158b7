"""The data sets that accuracy is measured on: one file per layout, and the clips that all of them give."""
