"""Review: where supervisors find and read transcripts, for a stated purpose."""
