"""A model's pathways as SVG, in the layout of `diagram`."""

from __future__ import annotations

from html import escape

from hanboot.registry.entry import Entry
from hanboot.registry.pathways.diagram import Drawing, Lane

_LEGEND = "Each arrow ends at an entry and starts at the dots of those that it may follow."
_ROW = 40
_BOX_HEIGHT = 28
_LANE = 18
_TOP = 56
_LEFT = 20
_CHARACTER = 7.3  # of the monospaced text, at its size
_PADDING = 12
# told apart by people who see colours differently: Okabe and Ito's set, without yellow
_LANE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")

_STYLE = """
    text { font: 12px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #111; }
    .title { font-size: 15px; font-weight: bold; }
    .remark { fill: #444; }
    rect { fill: #fff; stroke: #555; }
    .newest rect { fill: #d9f2e6; stroke: #007a4d; stroke-width: 2; }
    .stranded rect { fill: #fbe0d8; stroke: #b02a00; stroke-width: 2.5; }
    .stranded .remark { fill: #b02a00; font-weight: bold; }
    .unproved rect { fill: #fff3cc; stroke: #8a6d00; }
    .inactive rect { fill: #eee; stroke: #888; stroke-dasharray: 4 3; }
    path { fill: none; stroke-width: 2; }
"""


def as_svg(drawing: Drawing) -> str:
    """For a page; also readable without colours."""
    box_left = _LEFT + drawing.columns * _LANE + 16
    texts = [_box_text(line.entry) for line in drawing.lines]
    box_width = max((len(text) for text in texts), default=10) * _CHARACTER + 2 * _PADDING
    remarks = [", ".join(line.remarks) for line in drawing.lines]
    remark_width = max((len(remark) for remark in remarks), default=0) * _CHARACTER
    width = max(box_left + box_width + 24 + remark_width, _LEFT * 2 + len(drawing.title) * 9.5)
    width = max(width, _LEFT * 2 + len(_LEGEND) * _CHARACTER)
    height = _TOP + len(drawing.lines) * _ROW + 36
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
        f'width="{width:.0f}" height="{height}" role="img">',
        f"<title>{escape(drawing.title)}</title>",
        f"<desc>{_LEGEND}</desc>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{width:.0f}" height="{height}" style="fill:#fff;stroke:none"/>',
        f'<text class="title" x="{_LEFT}" y="28">{escape(drawing.title)}</text>',
    ]
    for number, lane in enumerate(drawing.lanes):
        parts += _svg_lane(
            lane, drawing.lanes, _LANE_COLOURS[number % len(_LANE_COLOURS)], box_left
        )
    for row, line in enumerate(drawing.lines):
        y = _TOP + row * _ROW
        parts += [
            f'<g class="{line.kind}">',
            f'<rect x="{box_left}" y="{y}" width="{box_width:.0f}" height="{_BOX_HEIGHT}" rx="5"/>',
            f'<text x="{box_left + _PADDING}" y="{y + 18}">{escape(texts[row])}</text>',
            f'<text class="remark" x="{box_left + box_width + 12:.0f}" y="{y + 18}">'
            f"{escape(remarks[row])}</text>",
            "</g>",
        ]
    if drawing.lanes:
        parts.append(f'<text class="remark" x="{_LEFT}" y="{height - 16}">{_LEGEND}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _box_text(entry: Entry) -> str:
    return f"{entry.cpl_entry_id}  {entry.version_text}  {entry.image_hash.hex()[:8]}"


def _svg_lane(lane: Lane, lanes: tuple[Lane, ...], colour: str, box_left: int) -> list[str]:
    x = box_left - 16 - lane.column * _LANE - _LANE // 2
    # arrows come in near the top of a box, lines to dots leave below, each at its own height
    tip = _TOP + lane.target * _ROW + 6
    ends = []
    for row in sorted(lane.sources):
        beside = sorted(other.column for other in lanes if row in other.sources)
        place = beside.index(lane.column)
        ends.append(_TOP + row * _ROW + 12 + place * min(4, 12 // len(beside)))
    top, bottom = min(tip, *ends), max(tip, *ends)
    parts = [f'<g style="stroke:{colour};fill:{colour}">', f'<path d="M{x} {top}V{bottom}"/>']
    for y in ends:
        parts.append(f'<path d="M{x} {y}H{box_left}"/>')
        parts.append(f'<circle cx="{x}" cy="{y}" r="4" style="stroke:none"/>')
    parts.append(f'<path d="M{x} {tip}H{box_left - 6}"/>')
    parts.append(
        f'<polygon points="{box_left},{tip} {box_left - 9},{tip - 5} {box_left - 9},{tip + 5}" '
        'style="stroke:none"/>'
    )
    return [*parts, "</g>"]
