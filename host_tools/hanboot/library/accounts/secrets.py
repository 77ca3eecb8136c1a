"""Secrets: how they are made, and what is kept of them."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.fernet import Fernet, InvalidToken

from hanboot import files
from hanboot.errors import BadFile, WrongUsage

#: NIST SP 800-63B asks for 8; what is not typed daily can be longer.
PASSWORD_MIN = 12
#: Argon2 hashes any length, so that a long one costs the sender alone; 4 KiB is a form's worth.
PASSWORD_MAX = 4096

TOTP_PERIOD_S = 30  # RFC 6238 4.1
_RECOVERY_CODES = 10

_hasher = PasswordHasher()
# compared with where there is no such user, so that time does not tell who has an account
_NO_USER = _hasher.hash(secrets.token_urlsafe(32))


def new_token() -> str:
    """256 bits of the system's entropy as URL-safe text."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    """What is kept of a token of 256 bits: its SHA-256."""
    return hashlib.sha256(token.encode()).digest()


# --- passwords


def hash_password(password: str) -> str:
    """The argon2id hash of a password.

    Raises:
        WrongUsage: it is too short or too long.
    """
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise WrongUsage(
            "this password cannot be used",
            f"it has {len(password)} characters",
            f"choose one of {PASSWORD_MIN} to {PASSWORD_MAX} characters; four random words do",
        )
    return _hasher.hash(password)


def is_password(password: str, stored: str | None) -> bool:
    """Whether a password is that of a hash; takes its time also where there is no hash."""
    if len(password) > PASSWORD_MAX:
        return False
    try:
        _hasher.verify(stored or _NO_USER, password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


# --- second factor


def new_totp_secret() -> str:
    """160 bits in base32, RFC 4226 4 R6."""
    return pyotp.random_base32()


def totp_uri(secret: str, email: str, issuer: str) -> str:
    """The otpauth: URI that an authenticator reads."""
    totp = pyotp.TOTP(secret, interval=TOTP_PERIOD_S)
    return totp.provisioning_uri(name=email, issuer_name=issuer)


def totp_step(secret: str, code: str, unix_s: int, last_step: int) -> int | None:
    """The time step that a code is of: this one or its neighbours, RFC 6238 5.2.

    Returns:
        None if it is of none of them, or of one not after `last_step`: a code is taken once.
    """
    totp = pyotp.TOTP(secret, interval=TOTP_PERIOD_S)
    now = unix_s // TOTP_PERIOD_S
    for step in (now - 1, now, now + 1):
        expected = totp.generate_otp(step)
        if secrets.compare_digest(expected.encode(), code.encode()) and step > last_step:
            return step
    return None


def new_recovery_codes() -> list[str]:
    """Codes of 80 bits, in groups that people can copy."""
    return ["-".join(secrets.token_hex(2) for _ in range(5)) for _ in range(_RECOVERY_CODES)]


# --- the server's key


class ServerKey:
    """Encrypts what the library must be able to read again, and signs the framework's cookies.

    Args:
        path: its file, readable by its owner alone; made if it is not there.

    Raises:
        BadFile: it cannot be read, or others can.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            _create(path)
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise BadFile(
                f"the library's key {path} is not safe",
                "others than its owner may read it",
                f"chmod 600 {path}, and make new second-factor secrets if they may have",
            )
        octets = files.read(path, files.TEXT_MAX_BYTES).strip()
        try:
            self._fernet = Fernet(octets)
        except ValueError:
            raise BadFile(
                f"the library's key {path} cannot be used",
                "it does not hold 32 bytes in base64",
                "restore it from the backup; without it no second factor can be checked",
            ) from None
        self._octets = octets

    def encrypt(self, text: str) -> bytes:
        return self._fernet.encrypt(text.encode())

    def decrypt(self, octets: bytes) -> str:
        """The text again.

        Raises:
            BadFile: it was encrypted with another key.
        """
        try:
            return self._fernet.decrypt(octets).decode()
        except InvalidToken:
            raise BadFile(
                "a second-factor secret cannot be decrypted",
                "it was encrypted with another key than the library has",
                "restore the library's key from the backup",
            ) from None

    def derive(self, purpose: str) -> str:
        """A secret for another purpose, from which the key cannot be computed."""
        return hashlib.blake2b(purpose.encode(), key=self._octets[:64]).hexdigest()


def _create(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key() + b"\n")
