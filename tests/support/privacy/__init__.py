"""Periods, copies and erasures."""
