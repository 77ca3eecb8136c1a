"""The form of a submission: its fields, in the sections that the page shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.forms import BoundField

from hanboot.errors import HanbootError
from hanboot.library.accounts.users import Party
from hanboot.library.catalogue import deliveries, submissions
from hanboot.library.catalogue.entries import NOTES, LibraryEntry
from hanboot.library.catalogue.extra_fields import ExtraField
from hanboot.library.catalogue.submissions import Draft, Faulty
from hanboot.library.images import IMAGE_MAX_BYTES
from hanboot.registry.entry import DEVICE_TYPES, JOIN_OPTIONS, RELEASE_KINDS
from hanboot.registry.fields import BY_NAME, LONG_TEXT_MAX

_IDENTITY = (
    "device_type", "cpl_entry_id", "predecessors", "join_option", "release_kind",
    "manufacturer_code", "device_model", "firmware_version", "image_hash",
)  # fmt: skip
_ABOUT = ("manufacturer", "model_name", "smets_version", "gbcs_version", "contact")
_ZIGBEE = ("zigbee_vendor", "zigbee_stack", "zigbee_certificate")
_TEXTS = (*_IDENTITY, *_ABOUT, *_ZIGBEE)
_CHOICES = {
    "device_type": DEVICE_TYPES,
    "join_option": JOIN_OPTIONS,
    "release_kind": RELEASE_KINDS,
}
_HELP = {
    "predecessors": "CPL Entry IDs with commas between them, or N/A for a first version.",
    "cpl_entry_id": "Empty: taken from the image; or none, if it is not on the CPL.",
    "image_hash": "Empty: taken from the image.",
    "manufacturer_code": "Empty: taken from the image.",
    "device_model": "Image type and hardware version. Empty: taken from the image, "
    "if that is for one hardware version.",
    "firmware_version": "Empty: taken from the image.",
    "release_kind": "A commercially released image shows the contact in place of a download.",
    "contact": "Whom suppliers ask.",
    "procedure": "What must be done before, between and after the steps.",
    "vulnerabilities": "Shown to suppliers, the DCC and the Security Sub-Committee alone.",
}
#: Files of a delivery beside the image, by the names that `deliveries` has for them.
_FILES = {
    "header": ("OTA Header", "Option 1: 60 bytes."),
    "signature": ("Manufacturer's signature", "Option 1: 64 bytes."),
    "hash": ("Hash file", "Options 1, 2 and 3: as sha256sum writes it."),
    "public_key": (
        "Manufacturer's public key",
        "PEM. The signature is verified with it; without it, it is kept unverified.",
    ),
}
_FILE_MAX_BYTES = 64 * 1024


# before names of fields that administrators added, which are none of the form's own
_ADDED = "extra-"


class SubmissionForm(forms.Form):
    """A draft. What its fields may hold is checked where the API's are checked, too.

    Args:
        suppliers: whom the form offers to ask for authorisation; none: it is not asked.
        original: the listed entry that a correction is of.
        added: fields that administrators added.
    """

    form = forms.ChoiceField(
        label="Delivered as",
        choices=[
            ("0", "OTA Upgrade Image, as it is sent to devices"),
            ("1", "option 1: header, Manufacturer Image and signature apart"),
            ("2", "option 2: in GBCS format, with the manufacturer's signature"),
            ("3", "option 3: header, Manufacturer Image and signature in one file"),
        ],
    )
    image = forms.FileField(
        label="Image",
        required=False,
        help_text="At most 10,240,000 bytes. Without a file, the entry only names a hash.",
    )

    def __init__(
        self,
        *args: Any,
        suppliers: Sequence[Party] = (),
        original: LibraryEntry | None = None,
        added: Sequence[ExtraField] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._original = original
        for name, (label, help_text) in _FILES.items():
            self.fields[name] = forms.FileField(label=label, required=False, help_text=help_text)
        for name in _TEXTS:
            self.fields[name] = _text_field(name)
        for name, heading in NOTES.items():
            self.fields[name] = forms.CharField(
                label=heading,
                required=False,
                max_length=submissions.NOTE_MAX,
                help_text=_HELP.get(name, ""),
                widget=forms.Textarea(attrs={"rows": 4}),
            )
        self._added = {each.name: f"{_ADDED}{each.name}" for each in added}
        for each in added:
            self.fields[self._added[each.name]] = forms.CharField(
                label=each.heading, required=False, max_length=LONG_TEXT_MAX
            )
        if suppliers:
            self.fields["responsible"] = forms.TypedChoiceField(
                label="Supplier",
                coerce=int,
                choices=[("", "choose one"), *((each.number, each.name) for each in suppliers)],
            )
        if original is not None:
            self.fields["never_in_field"] = forms.BooleanField(
                label="No device in the field ever ran this firmware",
                required=False,
                help_text="Reviewed like every correction; a device that reports it voids it.",
            )

    def sections(self) -> Iterator[tuple[str, str, list[BoundField]]]:
        """Legend, what to know, and fields of each part of the page."""
        yield (
            "Image",
            "After an error choose the files again: a browser does not keep them.",
            [self["form"], self["image"], *(self[name] for name in _FILES)],
        )
        yield (
            "Identity and pathway",
            "What is left empty is taken from the image; what is stated must be what it says.",
            [self[name] for name in _IDENTITY],
        )
        yield "About the firmware", "", [self[name] for name in (*_ABOUT, *self._added.values())]
        yield (
            "What a supplier must know",
            "Read and acknowledged before each download.",
            [self[name] for name in NOTES],
        )
        yield (
            "ZigBee",
            "For the Security Sub-Committee alone (MP231).",
            [self[name] for name in _ZIGBEE],
        )
        last = [self[n] for n in ("responsible", "never_in_field") if n in self.fields]
        if last:
            yield "Authorisation", "The supplier that answers for it authorises it first.", last

    def draft(self) -> Draft:
        """What the form says.

        Raises:
            Faulty: a file is too large, or the elements of the delivery do not fit each other.
        """
        values = self.cleaned_data
        option = int(values["form"])
        octets, delivery = self._file("image", IMAGE_MAX_BYTES + 1024), {}
        if option:
            delivered = self._delivered(option, octets)
            octets, delivery = delivered.octets, delivered.as_texts()
        return Draft(
            fields={name: values[name] for name in _TEXTS},
            notes={name: values[name] for name in NOTES},
            extra={name: values[field] for name, field in self._added.items()},
            octets=octets,
            file_name=values["image"].name if values.get("image") else "the file",
            delivery=delivery,
            responsible=values.get("responsible") or None,
            replaces=self._original.number if self._original else None,
            never_in_field=bool(values.get("never_in_field")),
        )

    def _delivered(self, option: int, octets: bytes | None) -> deliveries.Delivered:
        parts = {name: self._file(name, _FILE_MAX_BYTES) or b"" for name in _FILES}
        public_key = parts.pop("public_key") or None
        try:
            return deliveries.read(option, {**parts, "image": octets or b""}, public_key)
        except HanbootError as error:
            what, why, what_to_do = error.lines
            raise Faulty([("image", f"{what}: {why}. {what_to_do}".capitalize())]) from None

    def _file(self, name: str, most_bytes: int) -> bytes | None:
        file = self.cleaned_data.get(name)
        if file is None:
            return None
        if file.size > most_bytes:
            raise Faulty([(name, f"the file is larger than {most_bytes} bytes")])
        octets: bytes = file.read()
        return octets

    def add_faults(self, faulty: Faulty) -> None:
        for name, cause in faulty.faults:
            self.add_error(name if name in self.fields else None, cause)


def _text_field(name: str) -> forms.Field:
    label, help_text = BY_NAME[name].heading, _HELP.get(name, "")
    if name in _CHOICES:
        choices = [("", "not stated"), *((choice, choice) for choice in _CHOICES[name])]
        return forms.ChoiceField(label=label, required=False, choices=choices, help_text=help_text)
    return forms.CharField(label=label, required=False, max_length=1024, help_text=help_text)


def initial(original: LibraryEntry) -> dict[str, str]:
    """What a correction's form holds at first: all that the entry says."""
    # MP231 writes an en dash in join options, which the choices have not
    fields = {
        name: text.replace(" \u2013 ", " - ") if name == "join_option" else text
        for name, text in original.fields.items()
    }
    extra = {f"{_ADDED}{name}": text for name, text in original.extra.items()}
    return {**fields, **original.notes, **extra}
