"""The commands of `vosrt`, one file each: its options, and what it runs."""
