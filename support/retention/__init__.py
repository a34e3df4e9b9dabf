"""The retention board: what goes, what stays and why."""
