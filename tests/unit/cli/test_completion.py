"""The completion script, as bash itself uses it."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from recursivemas.cli.main import main

pytestmark = [pytest.mark.process, pytest.mark.slow]

COMPLETE = """
source {script}
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_shtab_recursivemas
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def test_bash_completes_commands_flags_and_values(tmp_path, capsys):
    pytest.importorskip("shtab")
    bash = shutil.which("bash")
    assert bash is not None
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "completion.bash"
    script.write_text(capsys.readouterr().out)

    def complete(words: str) -> list[str]:
        program = COMPLETE.format(script=script, words=words)
        finished = subprocess.run([bash, "--norc", "-c", program], capture_output=True, text=True, check=True)
        assert finished.stderr == ""
        return finished.stdout.split()

    assert complete("recursivemas run --sty") == ["--style"]
    assert complete("recursivemas doc") == ["doctor"]
    assert complete("recursivemas run --style mix") == ["mixture"]
    assert complete("recursivemas run --mode ''") == ["latent", "text", "single"]
    assert "--adapter_lr" in complete("recursivemas train inner --adap")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_a_script_with_every_flag(shell, capsys):
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for flag in ("sample_ids", "num_recursive_rounds"):
        assert flag in script


def test_without_shtab_it_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "pip install shtab" in capsys.readouterr().err
