"""Search in a folder of text files: which passages are found, in which order, and what is refused."""

import logging
import sys
import threading

import pytest

from recursivemas.errors import UserError
from recursivemas.tools.search import FolderSearch, Hit
from recursivemas.tools.search.folder import PASSAGE_CHARACTERS

pytest.importorskip("bm25s")

CURIE = "# Marie Curie\n\nShe was born in Warsaw.\n\nShe discovered radium and polonium with Pierre.\n"
NEWTON = "Isaac Newton\nHe wrote the Principia about gravity.\n"


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "library", {"curie.md": CURIE, "people/newton.txt": NEWTON})


def make_folder(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def find(folder, query, max_hits=4):
    return [hit.url for hit in FolderSearch(folder).search(query, max_hits)]


def test_a_hit(folder):
    (hit,) = FolderSearch(folder).search("Who wrote about GRAVITY?", 4)
    expected = "Isaac Newton He wrote the Principia about gravity."
    assert hit == Hit("Isaac Newton", "people/newton.txt", expected)


def test_short_paragraphs_stand_together_under_their_heading(folder):
    (hit,) = FolderSearch(folder).search("radium", 4)
    assert hit.title == "Marie Curie"
    assert (
        hit.content == "# Marie Curie She was born in Warsaw. She discovered radium and polonium with Pierre."
    )


@pytest.mark.parametrize("query", ["quasar", "", "?!", "the of and", "\ud800"])
def test_no_match_is_no_hit(folder, query):
    assert FolderSearch(folder).search(query, 4) == []


def test_the_hit_is_the_passage_that_matters(tmp_path):
    filler = "\n\n".join(f"Paragraph {n}. " + "Words about nothing much. " * 8 for n in range(9))
    middle = "The hidden treasure lies in Lisbon."
    folder = make_folder(tmp_path, {"long.txt": f"Report\n\n{filler}\n\n{middle}\n\n{filler}"})
    first = FolderSearch(folder).search("hidden treasure", 4)[0]
    assert middle in first.content
    assert first.title == "Report"


def test_no_text_is_lost_and_no_passage_is_too_long(tmp_path):
    words = [f"word{n}" for n in range(500)]
    text = f"Title\n\n## Heading\n\n{' '.join(words)}\n\nshort\n\n" + "y" * 1000
    search = FolderSearch(make_folder(tmp_path, {"a.txt": text}))
    passages = [hit.content for hit in search.search("Title", 1000)]
    found = [word for word in " ".join(passages).split() if word.strip("y")]
    assert sorted(found) == sorted(["Title", "##", "Heading", *words, "short"])
    assert sum(passage.count("y") for passage in passages) == 1000
    assert max(map(len, passages)) <= PASSAGE_CHARACTERS


def test_a_heading_goes_with_what_follows(tmp_path):
    before, after = "b " * 140, "a " * 140
    folder = make_folder(tmp_path, {"a.md": f"{before}\n\n## Nothing\n\n### Section\n\n{after}"})
    (hit,) = FolderSearch(folder).search("section", 4)
    assert hit.content == f"## Nothing ### Section {after}".strip()


def test_the_title_counts_for_every_passage(tmp_path):
    folder = make_folder(
        tmp_path, {"a.md": "# Radium\n\n" + "It glows. " * 100, "b.md": "# Tin\n\nIt bends."}
    )
    hits = FolderSearch(folder).search("radium", 9)
    assert len(hits) > 2
    assert {hit.url for hit in hits} == {"a.md"}


def test_a_word_that_every_file_holds_still_finds_them(tmp_path):
    folder = make_folder(tmp_path, {"a.txt": "radium", "b.txt": "radium", "c.txt": "radium tin"})
    assert find(folder, "radium") == ["a.txt", "b.txt", "c.txt"]
    assert find(folder, "tin radium", max_hits=2) == ["c.txt", "a.txt"]


def test_equal_scores_are_in_the_order_of_paths(tmp_path):
    short = ["b.txt", "a/z.txt", "c.md", "a.txt", "B.txt", *(f"{n}.txt" for n in range(0, 100, 2))]
    long = [f"{n}.txt" for n in range(1, 100, 2)]
    files = dict.fromkeys(short, "radium") | dict.fromkeys(long, "radium and tin and lead")
    assert find(make_folder(tmp_path, files), "radium", max_hits=200) == sorted(short) + sorted(long)


def test_which_files_are_read(tmp_path):
    read = {"a.TXT": "radium", "deep/er/b.Md": "radium"}
    unread = {"c.json": "radium", ".hidden.txt": "radium", ".git/d.txt": "radium", "empty.txt": ""}
    folder = make_folder(tmp_path, {**read, **unread, "folder.txt/e.json": "radium"})
    assert find(folder, "radium") == ["a.TXT", "deep/er/b.Md"]


def test_text_of_the_web(tmp_path):
    folder = make_folder(
        tmp_path, {"a.txt": b"\xef\xbb\xbf# T\x1b[1mitle #\r\n\r\nCafe\xcc\x81 \x00 radium\r\n"}
    )
    (hit,) = FolderSearch(folder).search("café", 4)
    assert hit.title == "T [1mitle"
    assert hit.content == "# T [1mitle # Cafe\u0301 radium"


def test_titles(tmp_path):
    files = {"a.txt": "\n\n  First line  \nradium", "b.md": "##\n\nradium", "c.txt": "radium " * 100}
    hits = FolderSearch(make_folder(tmp_path, files)).search("radium", 9)
    titles = {hit.url: hit.title for hit in hits}
    assert (titles["a.txt"], titles["b.md"]) == ("First line", "b.md")
    assert titles["c.txt"].startswith("radium radium")
    assert len(titles["c.txt"]) <= 120


def test_text_without_spaces(tmp_path):
    files = {
        "curie.md": "# 居里夫人\n\n玛丽·居里于1898年发现了镭和钋，并两次获得诺贝尔奖。",
        "newton.md": "# 牛顿\n\n艾萨克·牛顿写了《自然哲学的数学原理》。",
        "tower.md": "# 東京タワー\n\n東京タワーの高さは333メートルです。",
        "sejong.md": "# 세종\n\n세종은 한글을 만들었다.",
        "water.md": "水 is water.",
        "phone.md": "新しいiPhone用ケースが出る。",
    }
    folder = make_folder(tmp_path, files)
    assert find(folder, "谁获得了诺贝尔奖？")[0] == "curie.md"
    assert find(folder, "自然哲学") == ["newton.md"]
    assert find(folder, "東京の高さ") == ["tower.md"]
    assert find(folder, "ﾒｰﾄﾙ") == ["tower.md"]
    assert find(folder, "한글을") == ["sejong.md"]
    assert find(folder, "水") == ["water.md"]
    assert find(folder, "iphone") == find(folder, "ケース") == ["phone.md"]
    assert find(folder, "1898") == ["curie.md"]
    assert find(folder, "爱因斯坦") == []


def test_the_description_tells_the_texts_and_not_where_they_are(folder, tmp_path):
    described = FolderSearch(folder).describe()
    assert (described["provider"], described["folder"]) == ("folder", "library")
    copy = make_folder(tmp_path / "copy" / "library", {"curie.md": CURIE, "people/newton.txt": NEWTON})
    assert FolderSearch(copy).describe() == described
    (copy / "curie.md").write_text(CURIE.replace("radium", "radon"))
    changed = FolderSearch(copy).describe()
    assert changed["sha256"] != described["sha256"]
    (copy / "curie.md").rename(copy / "marie.md")
    assert FolderSearch(copy).describe()["sha256"] != changed["sha256"]


def test_threads_find_the_same(folder):
    search = FolderSearch(folder)
    found = []
    threads = [threading.Thread(target=lambda: found.append(search.search("radium", 4))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [search.search("radium", 4)] * 8


def test_it_prints_nothing(folder, capfd, caplog):
    FolderSearch(folder).search("radium", 4)
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []


def test_what_is_no_folder_of_texts(tmp_path):
    with pytest.raises(UserError, match="missing is no folder"):
        FolderSearch(tmp_path / "missing")
    file = tmp_path / "file.txt"
    file.write_text("radium")
    with pytest.raises(UserError, match=r"file\.txt is no folder"):
        FolderSearch(file)
    for files in ({"a.json": "radium"}, {"a.txt": "", "b.md": " \n"}, {"a.txt": "?!\n\nthe"}):
        folder = make_folder(tmp_path / str(len(files)) / next(iter(files.values())).strip("?!\n"), files)
        with pytest.raises(UserError, match=r"holds no text in files that end in \.txt or \.md"):
            FolderSearch(folder)


def test_a_file_in_another_encoding(tmp_path):
    folder = make_folder(tmp_path, {"good.txt": "radium", "bad.txt": "Zürich".encode("latin-1")})
    with pytest.raises(UserError, match=r"bad\.txt in the search folder is not UTF-8 text; convert it"):
        FolderSearch(folder)


def test_without_the_package(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(UserError, match=r"pip install bm25s"):
        FolderSearch(folder)
