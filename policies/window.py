"""Tables for a window of any width: where one does not fit, each row is written with one field a line.

A table that is squeezed cuts ids off or breaks them over lines, and an id that cannot be copied is of no use.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table

__all__ = ["print_table"]

NARROW: Final = 100  # columns; a wider window wraps the long cells of a table well enough
ANY: Final = 10_000  # columns; what a table would like, were there room


def print_table(console: Console, table: Table, *, markup: bool = True) -> None:
    """Prints a table, or the same as blocks where the window is narrow and the table is not."""
    wide = Measurement.get(console, console.options.update_width(ANY), table).maximum
    if console.width >= NARROW or wide <= console.width:
        console.print(table, markup=markup)
        return
    if table.title:
        console.print(table.title, style="bold")
    heads = [column.header for column in table.columns]
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        console.print(_block(heads, cells), markup=markup)


def _block(heads: Iterable[RenderableType], cells: Iterable[RenderableType]) -> Table:
    """One row of a table: its names, and beside each what it holds. What is empty is left out."""
    block = Table.grid(padding=(0, 2))
    block.add_column(no_wrap=True, style="bold")
    block.add_column(overflow="fold")
    for head, cell in zip(heads, cells, strict=True):
        if str(cell):
            block.add_row(head, cell)
    block.add_row()  # an empty line before the next
    return block
