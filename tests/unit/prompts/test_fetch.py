"""Getting the published files: once, whole, and from nowhere in secret."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from recursivemas.prompts import PromptPack, PromptsError, PublishedPrompts, load_pack, load_prompts
from recursivemas.prompts import choose as choosing
from recursivemas.prompts import fetch as fetching
from recursivemas.prompts import prompt_file as files
from tests.support.published_prompts import CONTENTS, PATHS, PLACES, serve, stand_in
from tests.support.raw_files import RawFiles


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RawFiles]:
    """A mirror that serves an imitation, which takes the published files' place; an empty cache."""
    stand_in(monkeypatch.setattr)
    monkeypatch.setenv("RECURSIVEMAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as server:
        monkeypatch.setenv(fetching.MIRROR_VARIABLE, f"{server.url}/")
        yield server


@pytest.mark.process
def test_the_files_are_fetched_once(server: RawFiles, caplog: pytest.LogCaptureFixture) -> None:
    first = load_prompts("auto", release="hub")
    assert sorted(server.requests) == sorted(PLACES.values())
    second = load_prompts("published", release="toy-random")
    assert len(server.requests) == 2
    for source in (first, second):
        assert isinstance(source, PublishedPrompts)
        described = source.describe()
        assert described["origin"] == described["code_cue"]["origin"] == "published"
        assert described["sha256"] == hashlib.sha256(CONTENTS["prompts.py"]).hexdigest()
        assert source.retry_cue("function").startswith("That was no valid format.")
    assert caplog.text == ""


def test_what_was_damaged_in_the_cache_is_fetched_again(server: RawFiles, tmp_path: Path) -> None:
    fetching.fetch_published()
    [kept] = (tmp_path / "cache").rglob("prompts.py")
    kept.write_bytes(kept.read_bytes().replace(b"care", b"rage"))
    assert fetching.fetch_published().files == {"prompts.py": CONTENTS["prompts.py"]}
    assert server.requests.count(PLACES["prompts.py"]) == 2
    assert kept.read_bytes() == CONTENTS["prompts.py"]


def test_a_cache_that_cannot_be_written_costs_nothing_else(server: RawFiles, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    assert fetching.fetch_published().cue_file == CONTENTS["inference_utils/lcb_utils.py"]


@pytest.mark.parametrize("path", PATHS)
def test_what_is_not_the_published_file_is_refused(server: RawFiles, path: str, tmp_path: Path) -> None:
    content = server.files[PLACES[path]]
    server.files[PLACES[path]] = content[:-1] + b" "
    with pytest.raises(PromptsError, match=rf"{path} from 127.0.0.1 is not the published file: its sha256"):
        fetching.fetch_published()
    server.files[PLACES[path]] = content[:-10]
    with pytest.raises(PromptsError, match=r"it has .* bytes, not|its sha256 is"):
        fetching.fetch_published()
    server.files[PLACES[path]] = b"x" * (files.MAX_FILE_BYTES + 10)
    with pytest.raises(PromptsError, match="is not the published file"):
        fetching.fetch_published()
    assert not list((tmp_path / "cache").rglob(Path(path).name))
    server.files[PLACES[path]] = content
    fetching.fetch_published()


def test_both_ways_out_are_named_where_they_cannot_be_had(
    server: RawFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.cut = 100
    refusals = []
    with pytest.raises(
        PromptsError, match=r"prompts\.py from 127\.0\.0\.1 is not the published file"
    ) as caught:
        load_prompts("auto", release="hub")
    refusals.append(caught)
    server.files.clear()
    with pytest.raises(PromptsError, match=r"prompts\.py from 127\.0\.0\.1: status 404") as caught:
        load_prompts("auto", release="hub")
    refusals.append(caught)
    monkeypatch.setenv(fetching.MIRROR_VARIABLE, "http://user:s3cret@127.0.0.1:9/key=s3cret")
    with pytest.raises(PromptsError, match=r"prompts\.py from 127\.0\.0\.1: ") as caught:
        load_prompts("published", release="toy-random")
    refusals.append(caught)
    monkeypatch.setenv(fetching.MIRROR_VARIABLE, "file:///etc")
    with pytest.raises(PromptsError, match=f"{fetching.MIRROR_VARIABLE} is no http or https") as caught:
        load_prompts("auto", release="hub")
    refusals.append(caught)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(PromptsError, match="HF_HUB_OFFLINE is set") as caught:
        load_prompts("auto", release="hub")
    refusals.append(caught)
    for refusal in refusals:
        assert "--prompts FILE" in str(refusal.value)
        assert "--prompts default" in str(refusal.value)
        assert fetching.MIRROR_VARIABLE in str(refusal.value)
        assert "s3cret" not in str(refusal.value)


def test_offline_the_kept_files_are_enough(server: RawFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    fetching.fetch_published()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetching.fetch_published().origin == "published"


def test_our_own_words_with_published_checkpoints_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(choosing, "fetch_published", lambda: pytest.fail("nothing is to be fetched"))
    for release in ("toy-random", "folder"):
        source = load_prompts("auto", release=release)
        assert isinstance(source, PromptPack)
        assert source.sha256 == load_pack().sha256
    assert caplog.text == ""
    load_prompts("default", release="hub")
    assert caplog.text.count("accuracy will differ") == 1


def test_the_published_hashes_are_those_that_were_given() -> None:
    assert files.PUBLISHED_PROMPTS.num_bytes == 20_561
    assert files.PUBLISHED_PROMPTS.sha256.startswith("dd6c53eb")
    assert files.PUBLISHED_CUE.sha256.startswith("2a9a0000")
    assert len(files.PUBLISHED_PROMPTS.sha256) == len(files.PUBLISHED_CUE.sha256) == 64
