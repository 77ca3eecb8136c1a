# Starts the application of a verified slot and serves the link meanwhile; or serves the link
# alone, where there is nothing to start.

import asyncio
import os
import sys
import vfs

from hanbootloader.application import Services
from hanbootloader.compat import const, ticks_diff, ticks_ms
from hanbootloader.install import Installer
from hanbootloader.link.console import ConsoleServer
from hanbootloader.lives import LASTS_MS, Lives
from hanbootloader.reasons import TRIAL_CRASHED, TRIAL_UNCONFIRMED
from hanbootloader.store.flash import PAGE_BYTES

if __debug__:  # in annotations alone
    from hanbootloader.device import Device

# fmt: off
_IDLE_MS      = const(2)      # between two looks at a quiet line
_GRACE_MS     = const(10000)  # how long the link is served alone after a crash or a hang
_APPLICATION  = "/app"
_DATA         = "/data"
# fmt: on


# Formats only where no application was ever confirmed. A format that power cut off may look whole
# and rest on weak cells: as long as there is nothing in it, it is done anew.
def _mount_data(device: "Device") -> None:
    data, is_new = device.board.data, device.running() is None
    try:
        vfs.mount(vfs.VfsLfs2(data, progsize=PAGE_BYTES), _DATA)
        if not is_new or os.listdir(_DATA):
            return
        vfs.umount(_DATA)
    except OSError:
        if not is_new:
            return
    vfs.VfsLfs2.mkfs(data, progsize=PAGE_BYTES)
    vfs.mount(vfs.VfsLfs2(data, progsize=PAGE_BYTES), _DATA)


def _import_application(device: "Device", index: int, manifest):  # type: ignore[no-untyped-def]
    image = device.image(index)
    payload = image[len(image) - manifest.payload_bytes :]
    vfs.mount(vfs.VfsRom(payload), _APPLICATION)
    # after our own modules: an application cannot replace one of them
    sys.path.append(_APPLICATION)
    return __import__("app")


# Runs the application and serves the link meanwhile. Returns when the board is to be reset.
async def _supervise(  # type: ignore[no-untyped-def]
    device: "Device", console: ConsoleServer, services: Services, lives: Lives, app
) -> int:
    crashes: "list[object]" = []
    asyncio.get_event_loop().set_exception_handler(lambda loop, context: crashes.append(context))
    task = asyncio.create_task(app.main(services))
    started_ms = ticks_ms()
    while not console.reset_due:
        device.board.watchdog()
        busy = console.poll()
        if task.done():
            try:
                await task
            except Exception as error:
                device.board.report(error)
            return TRIAL_CRASHED
        if crashes:
            device.board.report(crashes[0]["exception"])  # type: ignore[index]
            return TRIAL_CRASHED
        if services.on_trial and ticks_diff(ticks_ms(), started_ms) > device.board.trial_ms:
            return TRIAL_UNCONFIRMED
        if ticks_diff(ticks_ms(), started_ms) > LASTS_MS:
            lives.lasted()
        await asyncio.sleep_ms(0 if busy else _IDLE_MS)  # type: ignore[attr-defined]
    return 0


# needs_grace: serve the link alone for a while first.
def start(device: "Device", index: int, manifest, needs_grace: bool) -> None:  # type: ignore[no-untyped-def]
    device.started = index
    installer = Installer(device)
    services = Services(device, installer, manifest.label, _DATA)
    console = ConsoleServer(device, installer, services.confirm)
    services.attach(console)
    lives = Lives(device.ledger)
    if needs_grace or (lives.needs_grace and not services.on_trial):
        _serve(device, console, _GRACE_MS)
        if console.reset_due:
            return
    if not services.on_trial:
        lives.begin()
    try:
        _mount_data(device)
        app = _import_application(device, index, manifest)
        reason = asyncio.run(_supervise(device, console, services, lives, app))
    except KeyboardInterrupt:
        raise  # Ctrl-C asks for the prompt of development firmware
    except BaseException as error:
        # also SystemExit: an application has no way out
        device.board.report(error)
        reason = TRIAL_CRASHED
    if not reason:
        lives.excuse()
        return
    if services.on_trial:
        device.ledger.note_trial(reason)
        return
    # a confirmed application that crashes must leave a way in, too
    _serve(device, console, _GRACE_MS)


# Serves the link until a reset is due; for_ms: or for so long. 0 is for ever.
def _serve(device: "Device", console: ConsoleServer, for_ms: int) -> None:
    started_ms = ticks_ms()
    while not console.reset_due:
        device.board.watchdog()
        if console.poll():
            # a client is at work
            started_ms = ticks_ms()
        else:
            if for_ms and ticks_diff(ticks_ms(), started_ms) > for_ms:
                return
            device.board.idle(_IDLE_MS)


# Serves the link alone until a client resets the board.
def stay(device: "Device") -> None:
    _serve(device, ConsoleServer(device, Installer(device), lambda: False), 0)
