"""The commands: where each is, what it does in a line, and an example for each group.

A command is imported when it is called, so that none waits for another's imports; its line here is
the one that it says of itself (a test compares them).
"""

from __future__ import annotations

#: Where each command is.
COMMANDS = {
    "keys": "hanboot.cli.keys:keys",
    "image": "hanboot.cli.image:image",
    "board": "hanboot.cli.board:board",
    "status": "hanboot.cli.device:status",
    "upload": "hanboot.cli.device:upload",
    "activate": "hanboot.cli.device:activate",
    "confirm": "hanboot.cli.device:confirm",
    "verdict": "hanboot.cli.device:verdict",
    "history": "hanboot.cli.device:history",
    "reset": "hanboot.cli.device:reset",
    "console": "hanboot.cli.console:console",
    "upgrade": "hanboot.cli.upgrade:upgrade",
    "demo": "hanboot.cli.demo:demo",
    "matrix": "hanboot.cli.matrix:matrix",
    "registry": "hanboot.cli.registry:registry",
    "distribute": "hanboot.cli.distribute:distribute",
    "inventory": "hanboot.cli.inventory:inventory",
    "deliver": "hanboot.cli.deliver:deliver",
    "gbcs": "hanboot.cli.gbcs:gbcs",
    "hub": "hanboot.cli.hub:hub",
    "dcc": "hanboot.cli.dcc:dcc",
    "duis": "hanboot.cli.duis:duis",
    "smki": "hanboot.cli.smki:smki",
    "library": "hanboot.cli.library:library",
    "completion": "hanboot.cli.completion:completion",
}

#: What each does.
LINES = {
    "keys": "Make and show P-256 keys, and name their successors.",
    "image": "Build, inspect, verify and sign OTA Upgrade Images.",
    "board": "Run a board on this machine; flash, prepare and provision a real one.",
    "status": "What the device is, runs and holds.",
    "upload": "Send FILE and wait for the verdict.",
    "activate": "Start the staged image.",
    "confirm": "Confirm the image on trial, in place of the application's own self-test.",
    "verdict": "The device's last word on an image, with the remedy.",
    "history": "The upgrade history that the device keeps, oldest first.",
    "reset": "Reset the device.",
    "console": "Type lines at the device, and see what it writes and displays.",
    "upgrade": "Upload, activate and wait for confirmation.",
    "demo": "Watch a PPMID refuse the wrong upgrade, keep its credit, and be led the right way.",
    "matrix": "Offer each of IMAGES to a device that runs each of them.",
    "registry": "CPL and FIR entries: kept, proved, planned with.",
    "distribute": "Send IMAGE if the CPL lists it as Active and the device fits.",
    "inventory": "Devices and their firmware, as 'Read Inventory' (SR 8.2) lists them.",
    "deliver": "Make and check a manufacturer's firmware delivery.",
    "gbcs": "Show, verify and sign GBCS messages of the firmware use cases.",
    "hub": "Play a Communications Hub: OTA server, time and post for devices at ports.",
    "dcc": "Play the DCC's data service provider: screen, distribute, forward, answer.",
    "duis": "Build, sign, verify and show DUIS documents of the firmware services.",
    "smki": "Show and check certificates of SMKI's shape, and make some for a lab.",
    "library": "The Central Firmware Library: serve it, search it, get and put firmware.",
    "completion": "Print what completes commands in bash, zsh or fish.",
}

#: Groups of `hanboot --help`: title, commands, an example.
GROUPS = (
    (
        "Make images",
        ("keys", "image"),
        "hanboot image build 1.1.0 --manufacturer-key man.pem -o 1.1.0.ota",
    ),
    (
        "Talk to a device",
        (
            *("status", "upgrade", "upload", "activate", "confirm", "reset"),
            *("verdict", "history", "console"),
        ),
        "hanboot upgrade 1.0.0.ota 1.1.0.ota --port /dev/ttyACM0",
    ),
    (
        "Boards and tests",
        ("board", "demo", "matrix"),
        "hanboot board run virtual --role ppmid --state ppmid",
    ),
    (
        "Many devices",
        ("registry", "distribute", "inventory"),
        "hanboot registry plan --from 01000000 --to latest",
    ),
    (
        "The system around them",
        ("deliver", "hub", "dcc", "library", "duis", "gbcs", "smki"),
        "hanboot gbcs show alert.hex",
    ),
    ("This tool", ("completion",), "hanboot completion bash"),
)
