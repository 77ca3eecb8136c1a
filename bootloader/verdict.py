# The verdict on an offered image, with the remedy: what would be accepted in place of what runs.

from hanbootloader.policy import PATHWAY
from hanbootloader.store import ledger

if __debug__:  # in annotations alone
    from hanbootloader.image.manifest import Manifest
    from hanbootloader.image.ota import Header
    from hanbootloader.policy import RunningFirmware


# offered_hash, running, manifest, header: None where not known, or where nothing runs.
def make_verdict(
    reason: int,
    offset: int,
    offered_version: int,
    offered_hash: "bytes | None",
    running: "RunningFirmware | None",
    manifest: "Manifest | None",
    header: "Header | None" = None,
) -> ledger.VerdictRecord:
    accepts: "list[tuple[int, bytes | None]]" = []
    minimum = total = 0
    if manifest is not None and reason in PATHWAY:
        minimum = manifest.minimum_base_version
        for version, digest, _ in manifest.predecessors:
            # one below the minimum base version would be refused all the same
            if version >= minimum:
                total += 1
                if total <= ledger.ACCEPTS_KEPT:
                    accepts.append((version, digest))
    return ledger.VerdictRecord(
        reason,
        offset,
        offered_version,
        offered_hash,
        running.file_version if running else 0,
        running.image_hash if running else None,
        minimum,
        tuple(accepts),
        total,
        (header.manufacturer_code, header.image_type) + header.hardware if header else None,
    )
