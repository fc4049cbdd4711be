"""Runs: questions through a system, graded, recorded in a folder, and read back."""
