"""A run that is followed: what its page is told, and who may ask."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from http.client import HTTPConnection

import pytest

from recursivemas.errors import UserError
from recursivemas.report.watch import PageServer
from recursivemas.runs.files import read_samples
from tests.support.run_folders import write_run, write_samples


@pytest.fixture
def run(tmp_path):
    """One of four answers is there."""
    path = write_run(tmp_path / "run", [True, False, True, True], finished=False)
    samples = read_samples(path)
    write_samples(path, samples[:1])
    return path, samples


@pytest.fixture
def ask(run):
    """Asks the run's server for a path: status and text."""
    with PageServer(run[0]) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def get(path: str, host: str | None = None) -> tuple[int, str]:
            connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
            connection.request("GET", path, headers={"Host": host or f"localhost:{server.server_port}"})
            with connection.getresponse() as answer:
                found = answer.status, answer.read().decode()
            connection.close()
            return found

        yield get
        server.shutdown()
        thread.join()


def unpacked(answer: tuple[int, str]):
    assert answer[0] == 200
    return json.loads(gzip.decompress(base64.b64decode(answer[1])))


def add(path, *samples, part: str = "") -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(sample.to_json()) + "\n" for sample in samples) + part)


def test_answers_are_told_as_they_come_by_whichever_process(run, ask):
    path, samples = run
    [told] = unpacked(ask("/contents"))["runs"]
    assert [entry["id"] for entry in told["questions"]] == ["q0"]
    assert (told["facts"]["answers"], told["facts"]["expected"], told["facts"]["finished"]) == (1, 4, False)
    (path / "shards").mkdir()
    add(path / "shards" / "process-1.jsonl", samples[2])
    add(path / "samples.jsonl", samples[1], part='{"id": "q3"')
    [told] = unpacked(ask("/contents"))["runs"]
    assert [entry["id"] for entry in told["questions"]] == ["q0", "q1", "q2"]
    assert unpacked(ask("/details/2"))["parts"] == [{"kind": "text", "text": samples[2].text}]
    # In the end the first process brings all into their order, in a new file.
    (path / "samples.jsonl").unlink()
    write_samples(path, samples)
    (path / "summary.json").write_text(json.dumps({"headline": {"grader": "release", "metric": "accuracy"}}))
    [told] = unpacked(ask("/contents"))["runs"]
    assert [entry["id"] for entry in told["questions"]] == ["q0", "q1", "q2", "q3"]
    assert (told["facts"]["answers"], told["facts"]["finished"]) == (4, True)


def test_a_run_is_followed_from_its_very_beginning(run, ask):
    (run[0] / "samples.jsonl").unlink()
    [told] = unpacked(ask("/contents"))["runs"]
    assert (told["questions"], told["facts"]["scores"], told["facts"]["answers"]) == ([], [], 0)


def test_the_page_asks_its_own_server_alone(ask):
    status, page = ask("/")
    assert status == 200
    assert "connect-src &#39;self&#39;" in page
    assert 'id="contents"' not in page


def test_nobody_else_s_page_can_ask(ask):
    status, text = ask("/contents", host="evil.example")
    assert (status, text.startswith("open http://127.0.0.1:")) == (403, True)


def test_browsers_leave_out_the_usual_port(run):
    try:
        server = PageServer(run[0], 80)
    except UserError:
        pytest.skip("port 80 cannot be had here")
    with server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        connection = HTTPConnection("127.0.0.1", 80, timeout=60)
        connection.request("GET", "/")
        with connection.getresponse() as answer:
            assert answer.status == 200
        thread.join()


def test_a_browser_that_leaves_is_no_error(run, capsys):
    with PageServer(run[0]) as server:
        for error in (ConnectionResetError("left"), ValueError("ours")):
            try:
                raise error
            except (ConnectionResetError, ValueError):
                server.handle_error(None, ("127.0.0.1", 1))
    told = capsys.readouterr().err
    assert "ours" in told
    assert "left" not in told


@pytest.mark.parametrize(
    "path", ["/details/7", "/details/-1", "/details/x", "/../config.json", "/samples.jsonl"]
)
def test_there_is_nothing_else(ask, path):
    assert ask(path)[0] == 404


def test_what_cannot_be_read_is_told(run, ask):
    add(run[0] / "samples.jsonl", part='{"id": 5}\n')
    status, text = ask("/contents")
    assert (status, "line 2 of" in text) == (500, True)


def test_what_cannot_be_served_is_refused(run, tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        PageServer(tmp_path)
    for port in (99_999, -1):
        with pytest.raises(UserError, match=f"port is {port}; it has to be from 1 to 65535, or 0 for any"):
            PageServer(run[0], port)
    with PageServer(run[0]) as other, pytest.raises(UserError, match=r"is taken; give another --port, or 0"):
        PageServer(run[0], other.server_port)
