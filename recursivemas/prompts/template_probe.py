"""Renders a chat template in a process of its own, within limits; `guarded` starts it.

Reads a job from stdin: the template, its variables, conversations, limits. Exits with 0 when everything was
rendered within them or failed for another reason, which the real rendering will tell; LONG and LARGE say what
was too much. It stands alone: nothing of the library is imported.
"""

import json
import sys
from datetime import datetime

LONG, LARGE = 3, 4


def main() -> int:
    job = json.load(sys.stdin)
    sys.path[:] = job["path"]
    _limit(job["cpu_s"], job["memory_bytes"])
    try:
        for messages in job["conversations"]:
            _render(job["template"], {**job["variables"], "messages": messages}, job["max_characters"])
    except MemoryError:
        return LARGE
    return 0


def _limit(cpu_s: int, memory_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's clock is the only limit there
        return
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _render(source: str, variables: dict[str, object], max_characters: int) -> None:
    """Render as transformers does, but piece by piece; raises MemoryError for too much text."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """The block that marks an assistant's own words in templates made for training."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False)
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    num_characters = 0
    try:
        for piece in environment.from_string(source).generate(**variables):
            num_characters += len(piece)
            if num_characters > max_characters:
                raise MemoryError
    except MemoryError:
        raise
    except Exception:
        return


if __name__ == "__main__":
    sys.exit(main())
