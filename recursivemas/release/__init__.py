"""Releases: where a system's files come from, and which of a repository's files are needed."""
