"""The specification of this room, as tests."""
