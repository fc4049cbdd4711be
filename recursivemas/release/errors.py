"""What a release says when it cannot be used: the hub client's errors in words that say what to do."""

from __future__ import annotations

from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RevisionNotFoundError,
)

from recursivemas.errors import UserError
from recursivemas.release.patience import HostUnreachableError

# HTTPError and OSError: the client's own errors. ValueError: a repository's name that cannot be, or an answer
# that is no JSON. RuntimeError: the xet transfer.
CLIENT_ERRORS = (HTTPError, OSError, ValueError, RuntimeError)

CACHED_COPY = "A copy that is in the cache already is used with HF_HUB_OFFLINE=1."


class ReleaseError(UserError):
    """A release cannot be used: not reachable, not allowed, incomplete or damaged. Says what to do."""


def explain(
    error: Exception, repo_id: str, revision: str | None = None, filename: str | None = None
) -> ReleaseError:
    """The client's error while it fetched a file (None: a repository's listing), in words."""
    while isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    target = f"{filename} of {repo_id}" if filename else repo_id
    status = http_status(error)
    if status is not None:
        return ReleaseError(_explain_answer(error, status, repo_id, target, revision))
    if isinstance(error, HostUnreachableError):
        return ReleaseError(
            f"{target} could not be looked up and is not, or not completely, in the cache "
            f"{constants.HF_HUB_CACHE}: {error}. Run again with a connection, set HF_ENDPOINT for a mirror, "
            "or use a release folder."
        )
    if isinstance(error, OfflineModeIsEnabled | LocalEntryNotFoundError):
        return ReleaseError(
            f"HF_HUB_OFFLINE is set and {target}{f' at revision {revision}' if revision else ''} is not, or "
            f"not completely, in the cache {constants.HF_HUB_CACHE}. Run once with HF_HUB_OFFLINE unset to "
            "download it, point HF_HUB_CACHE or HF_HOME at the cache that has it, or use a release folder."
        )
    if isinstance(error, HFValidationError):
        return ReleaseError(
            f"{repo_id!r} is no repository's name: {error}. Use owner/name, or the path of a folder."
        )
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
        return ReleaseError(
            f"{target} could not be written to the cache {constants.HF_HUB_CACHE}: {error}. Make room or "
            "give permission there, or point HF_HUB_CACHE at another disk, and run again."
        )
    return ReleaseError(
        f"The connection to {constants.ENDPOINT} failed while fetching {target} ({in_words(error)}). Run "
        "again to continue: files that came in whole are kept. For a mirror set HF_ENDPOINT; where "
        "everything is in the cache already, HF_HUB_OFFLINE=1 uses it without a connection."
    )


def _explain_answer(error: Exception, status: int, repo_id: str, target: str, revision: str | None) -> str:
    """What to do about an HTTP status that says no."""
    page = f"{constants.ENDPOINT}/{repo_id}"
    if isinstance(error, GatedRepoError) or status == 403:
        return (
            f"Access to {target} is refused ({status}): the repository is gated, or the token may not read "
            f"it. Accept its terms on {page}, then set HF_TOKEN to a token of that account with read access "
            f"(or run `hf auth login`). {CACHED_COPY}"
        )
    if status == 401:
        return (
            f"{constants.ENDPOINT} does not show {target} (401): it does not exist, or it is private or "
            f"gated and HF_TOKEN is missing or wrong. Check the name, open {page} to see whether terms have "
            f"to be accepted, and set HF_TOKEN (or run `hf auth login`). {CACHED_COPY}"
        )
    if isinstance(error, RevisionNotFoundError):
        return (
            f"{repo_id} has no revision {revision!r} (404). Give one of its branches, tags or commits (see "
            f"{page}). A commit belongs to one repository: pin several with a mapping from repository to "
            "revision."
        )
    if isinstance(error, EntryNotFoundError):
        return (
            f"{constants.ENDPOINT} lists {target} but does not serve it (404). Try again later, or pin "
            "another revision."
        )
    if status == 404:
        return (
            f"{target} does not exist on {constants.ENDPOINT} (404). Check its name in the style, and "
            "HF_ENDPOINT if it is set; a private repository needs HF_TOKEN."
        )
    return (
        f"{constants.ENDPOINT} answered {status} when asked for {target} ({in_words(error)}). Try again "
        f"later: files that came in whole are kept. {CACHED_COPY}"
    )


def http_status(error: Exception) -> int | None:
    """The status of the hub's answer; None where there was no answer."""
    return getattr(getattr(error, "response", None), "status_code", None)


def in_words(error: Exception) -> str:
    first_line = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
