"""Doorway: from a style and a release to the files of its repositories."""

from recursivemas.published.repositories import (
    infer_adapter_task_for_dataset,
    resolve_inner_adapter,
    resolve_medqa_dataset_arg,
    resolve_outer_paths,
    snapshot_repo,
    task_for_inner_repo,
)
from recursivemas.release.resolve import AgentFiles, LinkFile, ReleaseError, ReleaseFiles, resolve_release
from recursivemas.styles import HUB_ORGANISATION, PUBLISHED_STYLES

__all__ = [
    "HUB_ORGANISATION",
    "PUBLISHED_STYLES",
    "AgentFiles",
    "LinkFile",
    "ReleaseError",
    "ReleaseFiles",
    "infer_adapter_task_for_dataset",
    "resolve_inner_adapter",
    "resolve_medqa_dataset_arg",
    "resolve_outer_paths",
    "resolve_release",
    "snapshot_repo",
    "task_for_inner_repo",
]
