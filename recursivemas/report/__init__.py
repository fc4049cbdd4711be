"""What runs say: on the terminal, and as a report of tables and plots beside the published figures."""

from recursivemas.output.tables import format_table
from recursivemas.report.document import add_arguments, run, write_report
from recursivemas.report.terminal import format_example, format_summary, result_line

__all__ = [
    "add_arguments",
    "format_example",
    "format_summary",
    "format_table",
    "result_line",
    "run",
    "write_report",
]
