"""The keys room."""
