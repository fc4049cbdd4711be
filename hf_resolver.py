"""Doorway: from a style and a release to the files of its repositories."""

from recursivemas.hub import AgentFiles, LinkFile, ReleaseError, ReleaseFiles, resolve_release
from recursivemas.styles import HUB_ORGANISATION, PUBLISHED_STYLES

__all__ = [
    "HUB_ORGANISATION",
    "PUBLISHED_STYLES",
    "AgentFiles",
    "LinkFile",
    "ReleaseError",
    "ReleaseFiles",
    "resolve_release",
]
