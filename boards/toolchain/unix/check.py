# Run by the unix binary itself: can it play the virtual board?
# Prints what it is, or names what it lacks and leaves with status 1.
import sys

missing = []


def need(name):
    module, _, attribute = name.partition(".")
    try:
        found = __import__(module)
        if attribute:
            getattr(found, attribute)
    except (ImportError, AttributeError):
        missing.append(name)


need("asyncio")
need("binascii.crc32")
need("ffi.open")
need("gc.mem_alloc")
need("hashlib.sha256")
need("json")
need("micropython.mem_info")
need("select.poll")
need("struct")
need("time.ticks_ms")
need("uctypes.bytearray_at")
need("vfs.VfsLfs2")
need("vfs.VfsRom")
# VfsRom came with 1.25; mpy-cross 1.25 writes bytecode version 6
if sys.implementation.version[:2] < (1, 25):
    missing.append("version 1.25 or newer")
if getattr(sys.implementation, "_mpy", 0) & 0xFF != 6:
    missing.append("bytecode version 6")
if not missing:
    import vfs

    vfs.mount(vfs.VfsRom(memoryview(b"\xd2\xcd\x31\x00")), "/rom")
if missing:
    print("it lacks " + ", ".join(missing))
    sys.exit(1)
print(sys.version.split("; ")[1])
