# A certificate request (PKCS #10, RFC 2986) as SMKI's device certificates want it: empty subject,
# the EUI-64 as hardwareModuleName in the subject alternative name (RFC 4108), ecdsa-with-SHA256.
#
# All but key, EUI-64 and signature is constant, so it is written as a template.

import hashlib

from hanbootloader.compat import const
from hanbootloader.han.gbcs.message import encode_length
from hanbootloader.trust import private_key

_HALF = const(32)

# SEQUENCE { version 0, empty name,
#   SubjectPublicKeyInfo { id-ecPublicKey, prime256v1, 04 x y } }
_VERSION_AND_NAME = b"\x02\x01\x00\x30\x00"
_KEY_INFO = (
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
    b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04"
)
# hwType of SMKI's device certificates in the published test data: 1.2.826.0.1.8641679.1.2.2.1.4
_HARDWARE_TYPE = b"\x06\x0d\x2a\x86\x3a\x00\x01\x84\x8f\xb9\x4f\x01\x02\x02\x01\x04"
_HARDWARE_MODULE_NAME = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x04"
_EXTENSION_REQUEST = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"
_SUBJECT_ALTERNATIVE_NAME = b"\x06\x03\x55\x1d\x11"
_CRITICAL = b"\x01\x01\xff"
_ECDSA_WITH_SHA256 = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"


def _tagged(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + encode_length(len(content)) + content


# What is signed: CertificationRequestInfo.
def request_info(public: bytes, eui64: bytes) -> bytes:
    module = _tagged(0x30, _HARDWARE_TYPE + _tagged(0x04, eui64))
    other_name = _tagged(0xA0, _HARDWARE_MODULE_NAME + _tagged(0xA0, module))
    names = _tagged(0x04, _tagged(0x30, other_name))
    extension = _tagged(0x30, _SUBJECT_ALTERNATIVE_NAME + _CRITICAL + names)
    extensions = _tagged(0x31, _tagged(0x30, extension))
    attributes = _tagged(0xA0, _tagged(0x30, _EXTENSION_REQUEST + extensions))
    return _tagged(0x30, _VERSION_AND_NAME + _KEY_INFO + public + attributes)


# The whole request. Generator.
def request_steps(private: bytes, public: bytes, eui64: bytes):  # type: ignore[no-untyped-def]
    info = request_info(public, eui64)
    digest = hashlib.sha256(info).digest()
    signature = yield from private_key.sign_steps(private, public, digest)
    halves = _integer(signature[:_HALF]) + _integer(signature[_HALF:])
    bits = _tagged(0x03, b"\0" + _tagged(0x30, halves))
    return _tagged(0x30, info + _ECDSA_WITH_SHA256 + bits)


# A DER INTEGER of 32 bytes, unsigned.
def _integer(octets: bytes) -> bytes:
    at = 0
    while at < len(octets) - 1 and octets[at] == 0:
        at += 1
    octets = octets[at:]
    return _tagged(0x02, b"\0" + octets if octets[0] & 0x80 else octets)
