"""The page to look at: cameras in a browser, objects marked and followed."""
