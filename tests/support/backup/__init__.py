"""Back-ups made, put back, and settled."""
