"""Measurements; budgets are in `docs/`, ratios in one run, never timed tests."""
