"""Processors: who else gets something from us, of what kind, until when."""
