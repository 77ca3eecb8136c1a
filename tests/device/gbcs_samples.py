# Published GBCS messages and what is known of them, where they are at hand (../shared/data).

import json
from binascii import a2b_base64, unhexlify

FOLDER = __file__[: -len("gbcs_samples.py")] + "../../../shared/data/dcc/"

try:
    with open(FOLDER + "README.md"):
        ARE_HERE = True
except OSError:
    ARE_HERE = False

CS06_COMMAND = "CS06_11.3_IMMEDIATE_SUCCESS_COMMAND_GBCS"
CS06_PRECOMMAND = "CS06_11.3_IMMEDIATE_SUCCESS_PRECOMMAND_GBCS"
CS06_RESPONSE = "CS06_11.3_IMMEDIATE_SUCCESS_RESPONSE_GBCS"
RECEIPT = "FDRA-DLMS_NA_8F72_ALERT_GBCS"
ECS52_COMMAND = "ECS52_11.2_SUCCESS_COMMAND_GBCS"
ECS52_RESPONSE = "ECS52_11.2_SUCCESS_RESPONSE_GBCS"

# message: what was computed of it
ANSWERS = {
    CS06_COMMAND: "CS06_IMMEDIATE_SUCCESS",
    ECS52_COMMAND: "ECS52_COMMAND",
    ECS52_RESPONSE: "ECS52_RESPONSE",
}
# message: certificate of its signer
SIGNERS = {
    CS06_COMMAND: "90b3d51f30010000-ds",
    CS06_RESPONSE: "00db1234567890a0-ds",
    RECEIPT: "00db1234567890a0-ds",
}


def message(name):
    with open(FOLDER + "gbcs/" + name + ".HEX") as file:
        return unhexlify(file.read().strip())


def answers(name):
    with open(FOLDER + "gbcs/" + ANSWERS[name] + ".kat.json") as file:
        return json.load(file)


# x || y of a certificate: the bit string of an uncompressed point
def public_key(certificate):
    with open(FOLDER + "certs/" + certificate + ".pem") as file:
        lines = file.read().split("-----")[2]
    octets = a2b_base64(lines.replace("\n", ""))
    at = octets.find(b"\x03\x42\x00\x04") + 4
    return octets[at : at + 64]
