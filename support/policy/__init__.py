"""The policy's own room: which version is in force, how it changes, who was told, and what proves each clause."""
