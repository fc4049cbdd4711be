"""What is kept on disk: found again, whole, and by anyone who shares the folder."""

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from recursivemas.files.disk_cache import DiskCache
from recursivemas.grading import Judge, JudgeSettings
from tests.support.judge_server import Endpoint


@pytest.fixture
def cache(tmp_path):
    return DiskCache(tmp_path / "new" / "cache")


def test_what_was_put_is_got(cache):
    assert cache.get("key") is None
    assert not cache.folder.exists()
    cache.put("key", {"text": "Zürich \N{SNOWMAN}", "numbers": [1, 2.5, None]})
    assert cache.get("key") == {"text": "Zürich \N{SNOWMAN}", "numbers": [1, 2.5, None]}
    cache.put("key", {"text": "anew"})
    assert cache.get("key") == {"text": "anew"}
    assert DiskCache(cache.folder).get("key") == {"text": "anew"}


def test_keys_are_told_apart_by_what_they_hold(cache):
    cache.put([{"a": 1, "b": 2}, "q"], {"n": 1})
    cache.put([{"a": 1, "b": 2}, "Q"], {"n": 2})
    assert cache.get([{"b": 2, "a": 1}, "q"]) == {"n": 1}
    assert cache.get([{"b": 2, "a": 1}, "Q"]) == {"n": 2}
    assert cache.get([{"b": 2}, "q"]) is None


def test_file_names_stay_what_they_were(cache):
    cache.put([{"model": "small"}, "question"], {})
    (file,) = cache.folder.iterdir()
    assert file.name == "1bd44ce9f3637e921e00f1511b51bbac46bcf69fe9c6606f86569f63d1063c93.json"


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1', b"[]", b"3", b"\xff\xfe", b"\x00" * 9])
def test_a_damaged_entry_is_absent_and_can_be_put_anew(cache, content):
    cache.put("key", {"a": 1})
    (file,) = cache.folder.iterdir()
    file.write_bytes(content)
    assert cache.get("key") is None
    cache.put("key", {"a": 2})
    assert cache.get("key") == {"a": 2}


def test_half_a_surrogate_pair_is_kept(cache):
    cache.put("\ud800", {"text": "a\ud800b"})
    assert cache.get("\ud800") == {"text": "a\ud800b"}


def test_an_entry_that_cannot_be_written_leaves_nothing(cache, caplog):
    with pytest.raises(TypeError):
        cache.put("key", {"a": object()})
    assert not cache.folder.exists()
    cache.put("key", {"a": 1})
    (file,) = cache.folder.iterdir()
    file.unlink()
    file.mkdir()  # cannot be replaced
    cache.put("key", {"a": 2})
    assert list(cache.folder.iterdir()) == [file]
    assert "cannot be written (Is a directory)" in caplog.text


def test_a_full_disk_costs_no_answer(cache, monkeypatch, caplog):
    cache.put("old", {"a": 1})

    def write_text(path, text, **options):
        path.write_bytes(text[:1].encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", write_text)
    for key in ("old", "new"):
        cache.put(key, {"a": 2})
    assert (cache.get("old"), cache.get("new")) == ({"a": 1}, None)
    assert len(list(cache.folder.iterdir())) == 1
    (warning,) = caplog.records
    assert f"the cache {cache.folder} cannot be written (No space left on device)" in warning.getMessage()


def test_a_folder_that_is_a_file_holds_nothing_and_warns_once(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    cache = DiskCache(tmp_path / "file")
    threads = [threading.Thread(target=cache.put, args=(key, {})) for key in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [cache.get(key) for key in range(4)] == [None] * 4
    assert (tmp_path / "file").read_text() == ""
    (warning,) = caplog.records
    assert "asked for again" in warning.getMessage()


def test_an_entry_that_may_not_be_read_is_absent(cache, monkeypatch, caplog):
    cache.put("key", {"a": 1})

    def read_text(path, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_text", read_text)
    assert [cache.get("key"), cache.get("key")] == [None, None]
    (warning,) = caplog.records
    assert "cannot be read (Permission denied)" in warning.getMessage()


def test_entries_have_the_permissions_of_other_files(cache):
    before = os.umask(0o027)
    try:
        cache.put("key", {})
    finally:
        os.umask(before)
    (file,) = cache.folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_verdict_is_not_lost_with_the_cache(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Endpoint() as endpoint:
        judge = Judge(JudgeSettings(model="small", base_url=endpoint.url, cache_dir=tmp_path / "file"))
        assert judge.agrees("Who discovered radium?", "Marie Curie", "Madame Curie")
    assert "cannot be" in caplog.text


@pytest.mark.process
def test_threads_and_processes_share_a_folder(cache):
    """Readers see whole entries while others write, in this process and in another."""
    entries = [{"writer": writer, "text": str(writer) * 50_000} for writer in range(3)]
    cache.put("key", entries[0])
    code = (
        "import sys; from pathlib import Path; from recursivemas.files.disk_cache import DiskCache\n"
        "for _ in range(100): DiskCache(Path(sys.argv[1])).put('key', {'writer': 2, 'text': '2' * 50_000})"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(cache.folder)])
    threads = [threading.Thread(target=write, args=(cache, entry)) for entry in entries[:2]]
    for thread in threads:
        thread.start()
    while process.poll() is None or any(thread.is_alive() for thread in threads):
        assert cache.get("key") in entries
    assert process.returncode == 0
    (file,) = cache.folder.iterdir()
    assert json.loads(file.read_text()) in entries


def write(cache, entry):
    for _ in range(100):
        cache.put("key", entry)
