"""Tests of "My data"."""
