"""Sources that host tests build images of, and where things lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]

#: A published test image of the field; it is no part of this project.
DCC = ROOT.parent / "shared" / "data"

APPLICATION = """
async def main(services):
    services.confirm()
"""

RELEASE = """
[image]
manufacturer_code = 0xFFF0
image_type = 0x0005
file_version = 0x01010000
label = "1.1.0"
hardware = [0x0100, 0x01FF]
header_string = "a test's image"
minimum_base_version = 0x01000000
security_counter = 1
point_of_no_return = true
cpl_entry_id = "TEST-0002"
release_notes = "https://example.com/1.1.0"
feature_version = "3.1 (meals)"

[application]
sources = [".", "common"]
entry = "app"

[[predecessors]]
file_version = 0x01000000
cpl_entry_id = "TEST-0001"
"""

FIRST_RELEASE = """
[image]
manufacturer_code = 0xFFF0
image_type = 0x0005
file_version = 0x01000000
hardware = [0x0100, 0x01FF]
cpl_entry_id = "TEST-0001"

[application]
sources = ["."]
entry = "app"
"""


def make_release(folder: Path, text: str = RELEASE) -> Path:
    """A folder with RELEASE.toml, an application and a module that it shares."""
    (folder / "common").mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(APPLICATION)
    (folder / "common" / "units.py").write_text("PENCE = 100\n")
    file = folder / "RELEASE.toml"
    file.write_text(text)
    return file
