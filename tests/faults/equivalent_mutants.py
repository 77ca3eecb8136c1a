"""Mutants that do what the original does, each with the reason: no test can tell them apart.

Known by file, function, check and kind of mutation, so they survive a move to another line, and
not a change of the check.
"""

EQUIVALENT: dict[tuple[str, str, str, str], str] = {
    ("verify.py", "AnchorKeys.manufacturer_steps", "cell is not None", "left out"): (
        "for mypy: signer_known is true of a cell alone"
    ),
    ("verify.py", "image_steps", "confirmed_hash is not None", "removed"): (
        "no hash is None: the signer is unknown in the end as it was in the beginning"
    ),
    ("verify.py", "image_steps", "former is not None", "removed"): (
        "a digest that is not compared with anything"
    ),
    ("install.py", "_FreeSlot.write", "start < self._held_bytes", "moved 0"): (
        "at the end of what is held, none of the piece is passed over"
    ),
    ("install.py", "Installer._stage", "wanted is not None", "removed"): (
        "to activate None, while nothing is being verified, is to wish for nothing"
    ),
    ("image/cbor.py", "Reader.keys", "encoded <= previous", "moved 0"): (
        "strictly read, a key with the octets of the one before is the same key, and that is "
        "refused two lines before"
    ),
    ("trust/anchors.py", "Anchors._free_places", "place > newest", "moved 0"): (
        "the newest place is taken, and so is not among the free ones"
    ),
    ("trust/anchors.py", "Anchors._free_places", "place < newest", "moved 0"): (
        "the newest place is taken, and so is not among the free ones"
    ),
    ("trust/anchors.py", "Anchors._sort_in", "is_current", "left out"): (
        "a cell below the sequence that is remembered is below the one held, too, which is not"
    ),
    ("trust/anchors.py", "Anchors._sort_in", "cell.sequence > held[0].sequence", "moved 0"): (
        "equal sequences are the other branch"
    ),
    ("trust/anchors.py", "Anchors._loaded", "cell is None", "left out"): (
        "what checks has begun, and where else a table may lie it is of format 1"
    ),
    ("trust/p256.py", "is_public_key", "y >= PRIME", "moved 0"): (
        "y = p stands for y = 0, and the curve, whose order is odd, has no such point"
    ),
    ("trust/p256.py", "_verify_steps", "0 < r < ORDER", "leg 0 left out"): (
        "r = 0 asks for a multiple of G whose x is 0 or n; nobody knows one, and finding it is "
        "the discrete logarithm"
    ),
    ("trust/p256.py", "_verify_steps", "0 < r < ORDER", "moved 0"): "r = 0: as above",
    ("trust/p256.py", "_verify_steps", "0 < r < ORDER", "moved 1"): (
        "r = n asks for a point with x = n, which is 0 mod n, or 2n, which is above p: as above"
    ),
    ("trust/p256.py", "_verify_steps", "0 < s < ORDER", "leg 0 left out"): (
        "s = 0 has no inverse, which the check of the inverse notices as well"
    ),
    ("trust/p256.py", "_verify_steps", "0 < s < ORDER", "moved 0"): "s = 0: as above",
    ("trust/p256.py", "_verify_steps", "0 < s < ORDER", "moved 1"): (
        "s = n is 0 mod n: its inverse is noticed as well"
    ),
    ("trust/p256.py", "_inverse_steps", "not divisions & 31", "removed"): (
        "how often a generator yields; nothing is decided by it"
    ),
    ("trust/p256.py", "_inverse_steps", "not divisions & 31", "inverted"): (
        "how often a generator yields; nothing is decided by it"
    ),
    ("trust/p256.py", "_combine_steps", "digit1", "removed"): (
        "an entry is looked up that no digit asks for, and not used"
    ),
    ("trust/p256.py", "_combine_steps", "digit2", "removed"): (
        "an entry is looked up that no digit asks for, and not used"
    ),
    ("trust/p256.py", "_double_add_add", "h2", "left out"): (
        "h2 = 0 makes another of the three 0: for equal points r = 0, so xt = 0 and h = 0; for "
        "opposite ones h = r^2 Z^2 and r' = -(r Z)^3, so t = r'^2 - h^3 = 0"
    ),
    ("store/flash.py", "Region._program_page", "len(piece) < PAGE_BYTES", "removed"): (
        "a whole page is programmed from a copy of it"
    ),
    ("store/flash.py", "Region._program_page", "len(piece) < PAGE_BYTES", "moved 0"): (
        "a whole page is programmed from a copy of it"
    ),
    ("store/slots.py", "SlotWriter.write", "len(piece) == PAGE_BYTES", "removed"): (
        "a whole page is programmed from a copy of it"
    ),
    ("store/journal.py", "Journal._move_to", "entries", "removed"): (
        "a move without entries ends with a record that holds none"
    ),
}
