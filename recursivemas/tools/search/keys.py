"""Where the keys of a search service are found."""

from __future__ import annotations

import os
from pathlib import Path

from recursivemas.errors import UserError

KEY_VARIABLE = "TAVILY_API_KEY"


def find_keys(keys_file: Path | None) -> list[str]:
    """Those of the file, else that of the environment, else of a `.env` here or in a folder above; or none.

    The file holds one key a line; blank lines and those that start with `#` are skipped, keys that come
    again dropped. The environment is left as it is. UserError where a file cannot be read or holds no key.
    """
    if keys_file is not None:
        return _keys_of(keys_file)
    key = os.environ.get(KEY_VARIABLE, "").strip()
    source = f"the environment variable {KEY_VARIABLE}"
    if not key:
        path = _env_file()
        key = _key_of_env_file(path) if path is not None else ""
        source = f"{KEY_VARIABLE} in {path}"
    if not key:
        return []
    check_key(key, source)
    return [key]


def check_key(key: str, source: str) -> None:
    """UserError where it cannot be a key; the message names where it stands, not the key."""
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise UserError(
            f"{source} holds no key: keys are ASCII characters without white space; one key a line, and "
            "comments on lines of their own"
        )


def _keys_of(path: Path) -> list[str]:
    keys = {}
    for number, line in enumerate(_read(path, "the keys file").splitlines(), start=1):
        key = line.strip()
        if key and not key.startswith("#"):
            check_key(key, f"line {number} of the keys file {path}")
            keys[key] = number
    if not keys:
        raise UserError(f"the keys file {path} holds no key; write one a line, or leave the file out")
    return list(keys)


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{what} {path} is not UTF-8 text; save it as that") from None
    except OSError as error:
        raise UserError(f"{what} {path} cannot be read: {error.strerror}") from error


def _env_file() -> Path | None:
    folder = Path.cwd()
    candidates = [above / ".env" for above in (folder, *folder.parents)]
    return next((path for path in candidates if _is_file(path)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:
        return False  # a folder above that is not ours to look into


def _key_of_env_file(path: Path) -> str:
    if KEY_VARIABLE not in _read(path, "the file"):
        return ""
    try:
        from dotenv import dotenv_values
    except ImportError as error:
        raise UserError(
            f"{path} mentions {KEY_VARIABLE}, and reading it needs the python-dotenv package: "
            f"pip install python-dotenv, or set {KEY_VARIABLE} in the environment"
        ) from error
    return (dotenv_values(path).get(KEY_VARIABLE) or "").strip()
