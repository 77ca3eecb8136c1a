"""The service's own keys: one to sign its answers, one as Access Control Broker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hanboot.errors import BadFile
from hanboot.trust import keys
from hanboot.trust.keys import AskPassphrase, PrivateKey, no_passphrase
from hanboot.trust.smki import certificate
from hanboot.trust.smki.certificate import BROKER, DSP_XML, Certificate


@dataclass(frozen=True)
class DspKeys:
    """
    Attributes:
        xml_key, xml_certificate: sign responses.
        broker_key: agrees on MACs with devices.
        broker: EUI-64 of the Access Control Broker.
    """

    xml_key: PrivateKey
    xml_certificate: Certificate
    broker_key: PrivateKey
    broker: bytes


def load(folder: Path, ask: AskPassphrase = no_passphrase) -> DspKeys:
    """From a folder with dsp-xml.pem, dsp-xml.key.pem, broker-ka.pem and broker-ka.key.pem, as
    `hanboot smki new-test-pki` makes it.

    Raises:
        BadFile: one is missing, or of the wrong kind.
    """
    xml = certificate.load(folder / "dsp-xml.pem")
    broker = certificate.load(folder / "broker-ka.pem")
    pairs = ((xml, "signature", {DSP_XML, BROKER}), (broker, "agreement", {BROKER}))
    for held, usage, roles in pairs:
        if usage not in held.usages or held.role not in roles:
            raise BadFile(
                f"{held.name} is not the service's",
                f"it is {held.holder}",
                "give the folder that hanboot smki new-test-pki makes",
            )
    assert broker.eui is not None
    loaded = []
    for held, name in ((xml, "dsp-xml"), (broker, "broker-ka")):
        key = keys.load_private(folder / f"{name}.key.pem", ask)
        if key.public.point != held.key.point:
            raise BadFile(
                f"{name}.key.pem is not the key of {name}.pem",
                "their public keys differ",
                "give the files that belong together",
            )
        loaded.append(key)
    return DspKeys(loaded[0], xml, loaded[1], broker.eui)
