"""The matrix as an HTML page, JUnit XML, and lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from xml.etree import ElementTree as Xml

from hanboot.device.upgrade import UpgradeOutcome
from hanboot.explain.reasons import explain
from hanboot.explain.versions import version_text
from hanboot.matrix.cells import Matrix, MatrixCell

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem;
  padding: 0 1rem; color: #222; background: #fff }
div { overflow-x: auto }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { border: 1px solid #bbb; padding: .35rem .6rem; text-align: left; vertical-align: top }
th { background: #f1f1f1; font-weight: 600 }
.taken { background: #dff3e1 }
.reverted { background: #fff2cc }
.fault { background: #f9c6c6; font-weight: 600 }
code { overflow-wrap: anywhere }
"""


def summary(matrix: Matrix) -> str:
    """What came out, in one line."""
    cells, faulty = len(matrix.cells), len(matrix.faulty)
    if faulty:
        return f"{faulty} of {cells} cells disagree"
    if unreached := matrix.unreached:
        names = ", ".join(release.name for release in unreached)
        images = "1 image" if len(unreached) == 1 else f"{len(unreached)} images"
        return f"{cells} cells agree, and {images} never ran: {names}"
    return f"{cells} cells: device, decision function and oracle agree in all"


def text_lines(matrix: Matrix) -> list[str]:
    """A table of plain text: a line for each situation, then a line for each fault."""
    table = [["running", *(release.name for release in matrix.releases)]]
    for situation, row in matrix.rows.items():
        cells = (row.get(release) for release in matrix.releases)
        table.append([situation.name, *(_mark(cell) for cell in cells)])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in table]


def fault_lines(matrix: Matrix) -> list[str]:
    """What is not as it must be, a line each."""
    return [
        f"{cell.offered.name} over {cell.situation.name}: {fault}"
        for cell in matrix.faulty
        for fault in cell.faults
    ]


def _mark(cell: MatrixCell | None) -> str:
    if cell is None:
        return "-"
    return f"{cell.text} (!)" if cell.faults else cell.text


# --- HTML


def html(matrix: Matrix) -> str:
    """One page that needs no other file."""
    head = "".join(f"<th>{escape(release.name)}</th>" for release in matrix.releases)
    rows = "".join(
        f"<tr><th>{escape(situation.name)}</th>"
        + "".join(_td(row.get(release)) for release in matrix.releases)
        + "</tr>\n"
        for situation, row in matrix.rows.items()
    )
    remarks = _list(matrix.remarks, "Not played")
    reported = (
        [f"{name}: {value}" for name, value in matrix.evidence.lines] if matrix.evidence else []
    )
    evidence = _list(reported, "Evidence")
    faults = _list(fault_lines(matrix), "Disagreements")
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Misupgrade matrix</title><style>{_STYLE}</style></head>
<body>
<h1>Misupgrade matrix</h1>
<p>{escape(summary(matrix))}. A row is what runs, a column what is offered to it.</p>
<div><table><tr><th>running</th>{head}</tr>
{rows}</table></div>
{faults}{remarks}{evidence}<h2>Releases</h2>
<div><table><tr><th>release</th><th>File Version</th><th>Manufacturer Image Hash</th></tr>
{_releases(matrix)}</table></div>
<h2>Reasons</h2>
<div><table><tr><th>reason</th><th>meaning</th><th>remedy</th></tr>
{_reasons(matrix)}</table></div>
</body>
</html>
"""


def _td(cell: MatrixCell | None) -> str:
    if cell is None:
        return "<td>not played</td>"
    reasons = f"device {cell.device}, decision function {cell.decision}, oracle {cell.oracle}"
    title = "; ".join((reasons, *cell.faults))
    taken = cell.outcome in (UpgradeOutcome.CONFIRMED, UpgradeOutcome.NOT_ACTIVATED)
    kind = "fault" if cell.faults else "taken" if taken else "reverted" if cell.outcome else ""
    return f'<td class="{kind}" title="{escape(title)}">{escape(_words(cell))}</td>'


def _words(cell: MatrixCell) -> str:
    return f"accepted, {cell.text}" if cell.outcome else cell.text


def _list(lines: Sequence[str], title: str) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>{title}</h2>\n<ul>{items}</ul>\n" if lines else ""


def _releases(matrix: Matrix) -> str:
    return "".join(
        f"<tr><td>{escape(release.name)}</td>"
        f"<td>{version_text(release.image.header.file_version)}</td>"
        f"<td><code>{release.image.image_hash.hex()}</code></td></tr>\n"
        for release in matrix.releases
    )


def _reasons(matrix: Matrix) -> str:
    seen = {name for cell in matrix.cells for name in (cell.device, cell.trial_reason)}
    words = (explain(number) for number in range(256))
    return "".join(
        f"<tr><td>{escape(w.name)}</td><td>{escape(w.meaning)}</td><td>{escape(w.remedy)}</td></tr>\n"
        for w in words
        if w.name in seen
    )


# --- JUnit


def junit(matrix: Matrix) -> bytes:
    """One test case for each cell."""
    seconds = f"{sum(cell.seconds for cell in matrix.cells):.3f}"
    tests = len(matrix.cells) + len(matrix.unreached)
    counts = {
        "tests": str(tests),
        "failures": str(len(matrix.faulty)),
        "errors": "0",
        "skipped": str(len(matrix.unreached)),
    }
    root = Xml.Element("testsuites", counts | {"time": seconds})
    suite = Xml.SubElement(root, "testsuite", {"name": "hanboot matrix"} | counts)
    suite.set("time", seconds)
    if matrix.evidence:
        suite.set("timestamp", matrix.evidence.date.removesuffix("Z"))
        properties = Xml.SubElement(suite, "properties")
        images = [(f"{r.name}, SHA-256", r.image.image_hash.hex()) for r in matrix.releases]
        for name, value in (*matrix.evidence.lines, *images):
            Xml.SubElement(properties, "property", name=name, value=value)
    for cell in matrix.cells:
        case = Xml.SubElement(
            suite,
            "testcase",
            classname=cell.situation.name,
            name=f"{cell.offered.name} over {cell.situation.name}",
            time=f"{cell.seconds:.3f}",
        )
        if cell.faults:
            failure = Xml.SubElement(case, "failure", message=cell.faults[0])
            failure.text = "\n".join(cell.faults)
        Xml.SubElement(case, "system-out").text = _words(cell)
    for release in matrix.unreached:
        case = Xml.SubElement(
            suite, "testcase", classname="never ran", name=f"{release.name} runs", time="0"
        )
        Xml.SubElement(case, "skipped", message="no step that a device allowed led there")
    Xml.indent(root)
    octets: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return octets
