"""Runs: questions through a system, graded, recorded in a folder, and read back."""

from recursivemas.runs.files import read_samples
from recursivemas.runs.latents import read_message, saved_messages
from recursivemas.runs.record import SampleRecord

__all__ = ["SampleRecord", "read_message", "read_samples", "saved_messages"]
