"""What a new entry must state: MP231 3, items 1 to 4."""

from __future__ import annotations

from collections.abc import Iterator

from hanboot.registry.entry import JOIN_OPTIONS, OLD_BANDS, Entry

#: Demanded of new entries: field, and what to enter.
_DEMANDED = {
    "predecessors": "CPL Entry IDs, or N/A for a first version",
    "join_option": "one of the six join options",
    "zigbee_vendor": "the vendor of the ZigBee chipset",
    "zigbee_stack": "the version of the ZigBee stack",
    "zigbee_certificate": "the certificate of the ZigBee stack",
}


def missing(before: Entry | None, after: Entry, is_existing: bool) -> Iterator[tuple[str, str]]:
    """What an entry lacks: (field, cause). What was empty before MP231 may stay so.

    Args:
        before: what the registry holds of it.
        is_existing: whether it was listed before MP231.
    """
    # our own addition to MP231's device types
    if is_existing or after.device_type == "IHD":
        return
    for name, what in _DEMANDED.items():
        was_empty = before is not None and getattr(before, name) is None
        if getattr(after, name) is None and not was_empty:
            yield name, f"it is empty: a new entry states {what}; {_EXISTING}"


def wrong_band(before: Entry | None, after: Entry, is_existing: bool) -> str | None:
    """Why a band or join option cannot be taken; None if it can.

    The optional field of before MP231 took 'Single Band' and 'Dual Band' of any device.
    """
    is_unchanged = before is not None and before.join_option == after.join_option
    if is_existing or is_unchanged:
        return None
    if after.join_option == "Dual Band" and after.device_type != "CH":
        return f"only a Communications Hub can be Dual Band; {_EXISTING}"
    if after.join_option in OLD_BANDS:
        return (
            f"'{after.join_option}' is what entries from before MP231 say, must be one of: "
            f"{', '.join(JOIN_OPTIONS)}; {_EXISTING}"
        )
    return None


_EXISTING = "--existing takes entries from before MP231"
