"""Builds firmware that is only measured: the product's modules, or those of development firmware,
with another main.py and C modules beside them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from hanboot.trust import comb

ROOT = Path(__file__).resolve().parents[2]

_BOARD = ROOT / "boards" / "rp2040_han"
_HERE = Path(__file__).parent / "firmware"
_OUT = ROOT / "build" / "bench"
#: What `build` leaves; the ELF lies beside it.
UF2 = _OUT / "rp2040" / "firmware.uf2"
#: The same with a Home Area Network over its console, as in development firmware.
NETWORK_UF2 = _OUT / "network" / "firmware.uf2"

_MANIFESTS = {UF2: "manifest.py", NETWORK_UF2: "network_manifest.py"}


def build(uf2: Path) -> None:
    """Builds `UF2` or `NETWORK_UF2`.

    Raises:
        subprocess.CalledProcessError: the toolchain said why on standard error.
    """
    made = _OUT / "made"
    made.mkdir(parents=True, exist_ok=True)
    (made / "signature.py").write_text(_signature())
    toolchain = [sys.executable, str(ROOT / "boards" / "toolchain"), "rp2"]
    where = ["--board-dir", str(_BOARD), "--build", str(uf2.parent)]
    what = ["--manifest", str(_HERE / _MANIFESTS[uf2]), "-D", f"USER_C_MODULES={_HERE}"]
    if uf2 == NETWORK_UF2:
        what += ["-D", "MICROPY_BOARD_VARIANT=DEVELOPMENT", "-D", "BENCH_NETWORK=1"]
    subprocess.run([*toolchain, *where, *what], check=True, stdout=subprocess.DEVNULL)


def symbol(name: str, uf2: Path = UF2) -> int:
    """Address of a variable of the firmware."""
    elf = uf2.with_suffix(".elf")
    listing = subprocess.run(
        ["arm-none-eabi-nm", str(elf)], capture_output=True, text=True, check=True
    ).stdout
    for line in listing.splitlines():
        address, _, found = line.rpartition(" ")
        if found == name:
            return int(address.split()[0], 16)
    raise LookupError(f"{elf} has no {name}")


def _signature() -> str:
    """A module with a key, its table, and its signature over a digest."""
    # always the same key, to be timed and nothing else
    private = ec.derive_private_key(int.from_bytes(b"hanboot's bench", "big"), ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    key = numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    digest = hashlib.sha256(b"to be verified").digest()
    prehashed = ec.ECDSA(utils.Prehashed(hashes.SHA256()), deterministic_signing=True)
    r, s = utils.decode_dss_signature(private.sign(digest, prehashed))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    secret = private.private_numbers().private_value.to_bytes(32, "big")
    values = {
        "PRIVATE": secret,
        "KEY": key,
        "DIGEST": digest,
        "SIGNATURE": signature,
        "TABLE": comb.build_table(key),
    }
    return "".join(f"{name} = {value!r}\n" for name, value in values.items())
