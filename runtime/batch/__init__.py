"""Many videos: what is to be done, who does it, and what is kept of it."""
