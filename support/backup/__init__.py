"""Back-ups of the embedded installation: making them, putting them back, and what must be true before it serves."""
