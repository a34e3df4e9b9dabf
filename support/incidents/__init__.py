"""Incidents: what went wrong with people's data, when it was known, and who was told (3(5))."""
