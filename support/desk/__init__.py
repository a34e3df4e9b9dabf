"""The desk: where agents sign in, see who waits and answer."""
