"""A library as a program sees it: entries as records, read from what the API answers."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hanboot.library.client.connection import Connection

_PAGES_MAX = 200


@dataclass(frozen=True, kw_only=True)
class RemoteEntry:
    """An entry, see the API's document. signature: the manufacturer's, of its delivery."""

    number: int
    revision: int
    state: str
    party: str
    cpl_entry_id: str | None
    device_type: str
    model: str
    firmware_version: str
    image_hash: str
    has_image: bool
    notes: dict[str, str]
    signature: bytes | None

    @property
    def title(self) -> str:
        return self.cpl_entry_id or f"entry {self.number}"


@dataclass(frozen=True, kw_only=True)
class Availability:
    """Whether an image can be had: "ready", "acknowledge" its notes first, or "no"."""

    entry: RemoteEntry
    download: str
    why_not: tuple[str, str, str] | None


class Remote:
    """The library at the other end of a connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def name(self) -> str:
        return self.connection.name

    def search(self, text: str, device_type: str = "", state: str = "listed") -> Iterator[Any]:
        """Documents of entries, page by page as they are asked for."""
        for page in range(1, _PAGES_MAX + 1):
            query = {"text": text, "device_type": device_type, "state": state, "page": page}
            answer = self.connection.get("entries", query)
            found = answer.get("entries") if isinstance(answer, dict) else None
            if not isinstance(found, list):
                self.connection.malformed("it lists no entries")
            yield from found
            if answer.get("more") is not True:
                return

    def entries_of(self, image_hash: bytes) -> list[RemoteEntry]:
        """Listed entries that say they have a Manufacturer Image Hash, and hold an image."""
        found = (self._entry(document) for document in self.search(image_hash.hex()))
        return [each for each in found if each.has_image and each.image_hash == image_hash.hex()]

    def availability(self, number: int) -> Availability:
        return self._availability(self.connection.get(f"entries/{number}"))

    def acknowledge(self, entry: RemoteEntry) -> Availability:
        """Says that the notes of an entry's revision were read."""
        path = f"entries/{entry.number}/acknowledge"
        return self._availability(self.connection.post(path, {"revision": entry.revision}))

    def hand_in(
        self, path: str, draft: Mapping[str, Any], files: Mapping[str, tuple[str, bytes]]
    ) -> Any:
        """Sends a draft and its files. files: name and octets by the names that the API has."""
        octets, media_type = multipart(draft, files)
        return self.connection.post_octets(path, octets, media_type)

    # --- answers

    def _availability(self, document: Any) -> Availability:
        entry = self._entry(document)
        why = document.get("why_not")
        download = document.get("download")
        if download not in ("ready", "acknowledge", "no"):
            self.connection.malformed("it does not say whether the image can be had")
        lines = (str(why["what"]), str(why["why"]), str(why["remedy"])) if why else None
        return Availability(entry=entry, download=download, why_not=lines)

    def _entry(self, document: Any) -> RemoteEntry:
        try:
            signature = document["delivery"].get("signature")
            return RemoteEntry(
                number=int(document["number"]),
                revision=int(document["revision"]),
                state=str(document["state"]),
                party=str(document["party"]),
                cpl_entry_id=document["cpl_entry_id"] and str(document["cpl_entry_id"]),
                device_type=str(document["device_type"]),
                model=str(document["model"]),
                firmware_version=str(document["firmware_version"]),
                image_hash=str(document["image_hash"]),
                has_image=document["image_sha256"] is not None,
                notes={str(name): str(text) for name, text in document["notes"].items()},
                signature=bytes.fromhex(signature) if signature else None,
            )
        except (LookupError, TypeError, ValueError, AttributeError):
            self.connection.malformed("an entry lacks what every entry has")


def multipart(
    draft: Mapping[str, Any], files: Mapping[str, tuple[str, bytes]]
) -> tuple[bytes, str]:
    """A body of multipart/form-data (RFC 7578) and its media type."""
    boundary = uuid.uuid4().hex
    parts = [_part(boundary, 'name="draft"', json.dumps(draft).encode())]
    for name, (file_name, octets) in files.items():
        # what a header cannot carry is not part of a file's name there
        shown = "".join(c if c.isalnum() or c in "._- " else "_" for c in file_name)
        described = f'name="{name}"; filename="{shown}"'.encode("ascii", "replace").decode()
        parts.append(_part(boundary, described, octets))
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def _part(boundary: str, described: str, octets: bytes) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {described}\r\n\r\n"
    return head.encode() + octets + b"\r\n"
