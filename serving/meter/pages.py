"""A statement as CSV for a spreadsheet, and as one page of HTML for a person. Both hold what the JSON holds."""

from __future__ import annotations

import csv
import io
from html import escape

from policies.moments import written
from serving.meter.statement import Line, Statement

__all__ = ["to_csv", "to_html"]

_COLUMNS = (
    "job",
    "ordered",
    "delivered",
    "key",
    "model",
    "mode",
    "resolution",
    "output_ms",
    "input_ms",
    "book",
    "promotion",
    "amount",
    "currency",
)
_STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1b1b}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:left}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}tfoot td{font-weight:600;border-top:2px solid #333}"
)


def to_csv(found: Statement) -> str:
    """One row a film, then one a currency with the sum. No cell begins like a formula."""
    out = io.StringIO()
    page = csv.writer(out, lineterminator="\n")
    page.writerow(_COLUMNS)
    for line in found.lines:
        shown = line.shown()
        page.writerow([_tame(shown[name]) for name in _COLUMNS])
    for money in found.totals.values():
        page.writerow(["total", *[""] * (len(_COLUMNS) - 3), money.amount, money.currency.value])
    return out.getvalue()


def to_html(found: Statement) -> str:
    """A page that needs nothing else: no script, no image, no font from anywhere."""
    title = f"Statement {found.month}, {escape(found.tenant)}"
    rows = "\n".join(map(_row, found.lines))
    sums = "\n".join(
        f'<tr><td colspan="6">Total</td><td class="n">{escape(str(money))}</td></tr>' for money in found.totals.values()
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>
<body><h1>{title}</h1>
<p>{len(found.lines)} films, {sum(line.output_ms for line in found.lines) / 1000:g} s. Each costs what was agreed when
it was asked for. Times are UTC.</p>
<table><thead><tr><th>Delivered</th><th>Job</th><th>Model</th><th>What</th><th class="n">Seconds</th><th>Promotion</th>
<th class="n">Price</th></tr></thead>
<tbody>
{rows}
</tbody><tfoot>
{sums}
</tfoot></table></body></html>
"""


def _row(line: Line) -> str:
    what = f"{line.mode}, {line.resolution}"
    seconds = f"{line.output_ms / 1000:g}" + (f" + {line.input_ms / 1000:g}" if line.input_ms else "")
    cells = [written(line.delivered), line.job, line.model, what]
    plain = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    ends = f'<td class="n">{seconds}</td><td>{escape(line.promotion or "")}</td>'
    return f'<tr>{plain}{ends}<td class="n">{escape(str(line.price))}</td></tr>'


def _tame(value: object) -> object:
    """A spreadsheet takes text that begins like this for a formula."""
    text = "" if value is None else value
    return f"'{text}" if isinstance(text, str) and text[:1] in ("=", "+", "-", "@", "\t") else text
