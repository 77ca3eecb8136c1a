# What is asked of an ESP32 under MicroPython, and what it answered: of a board at its prompt and of
# the model alike (`hanboot board selfcheck`). MicroPython source; it needs the partition `scratch`,
# whose two sectors it erases.
#
# ran: answered so by an emulated ESP32 with the stock ESP32_GENERIC image of MicroPython 1.25.0.
# src: concluded from the sources that boards/esp32_model/esp32.py names.


import esp32
import hashlib  # noqa: F401  questions name it
import machine  # noqa: F401
import vfs  # noqa: F401

# fmt: off
QUESTIONS = (
    # a partition as a block device
    ("p.ioctl(4, 0)",                                   "2",             "ran"),
    ("p.ioctl(5, 0)",                                   "4096",          "ran"),
    ("p.ioctl(6, 0), p.ioctl(6, 1)",                    "(0, 0)",        "ran"),
    ("p.ioctl(1, 0), p.ioctl(2, 0), p.ioctl(3, 0)",     "(0, 0, 0)",     "src"),
    ("p.ioctl(7, 0)",                                   "None",          "src"),
    ("p.info()[0], p.info()[3:]",                       "(1, (8192, 'scratch', False))", "src"),
    ("read(0, 4) + read(8188, 4)",                      "'ffffffffffffffff'", "ran"),
    # any length at any offset; bits AND
    ("write(0, 301, b'hanboot')",                       "None",          "ran"),
    ("read(300, 9)",                                    "'ff68616e626f6f74ff'", "ran"),
    ("write(0, 301, b'\\x0f' * 7), read(301, 7)",       "(None, '08010e020f0f04')", "ran"),
    ("write(0, 301, b'\\xff' * 7), read(301, 7)",       "(None, '08010e020f0f04')", "ran"),
    ("write(0, 4093, bytes(6)), read(4092, 8)",         "(None, 'ff000000000000ff')", "src"),
    ("write(1, 16, b'\\x55'), read(4112, 1)",           "(None, '55')",  "ran"),
    ("read(0, 2, 4112)",                                "'55ff'",        "ran"),
    # without an offset it erases first
    ("p.writeblocks(0, bytes(4096)), read(4095, 1)",    "(None, '00')",  "ran"),
    ("p.writeblocks(0, b'\\xaa' * 4096), read(0, 1)",   "(None, 'aa')",  "ran"),
    ("p.writeblocks(0, bytes(256))",                    "OSError -260",  "ran"),
    ("read(0, 1)",                                      "'aa'",          "src"),
    ("p.ioctl(6, 0), read(0, 2)",                       "(0, 'ffff')",   "ran"),
    # out of range
    ("read(8192, 0) == read(0, 0)",                     "True",          "src"),
    ("read(8192, 1)",                                   "OSError -260",  "ran"),
    ("read(8191, 2)",                                   "OSError -260",  "ran"),
    ("read(8193, 1)",                                   "OSError -258",  "src"),
    ("p.readblocks(-1, bytearray(1))",                  "OSError -258",  "ran"),
    ("read(4096, 2, -4096)",                            "'ffff'",        "src"),
    ("write(2, 0, b'x')",                               "OSError -260",  "ran"),
    ("write(-1, 0, b'x')",                              "OSError -258",  "ran"),
    ("p.ioctl(6, 2)",                                   "OSError -260",  "ran"),
    ("p.ioctl(6, 3)",                                   "OSError -258",  "src"),
    ("p.ioctl(6, -1)",                                  "OSError -258",  "ran"),
    # blocks shorter than a sector
    ("s.ioctl(4, 0), s.ioctl(5, 0), s.ioctl(6, 0)",     "(16, 512, -22)", "ran"),
    ("write(0, 0, b'abcd'), s.writeblocks(1, bytes(512))", "(None, None)", "ran"),
    ("read(0, 4) + read(511, 2) + read(1023, 2)",       "'61626364ff0000ff'", "ran"),
    # which there are
    ("esp32.Partition('nothing')",                      "OSError 2",     "ran"),
    ("esp32.Partition(5)",                              "ValueError",    "src"),
    ("esp32.Partition(esp32.Partition.BOOT)",           "OSError 2",     "ran"),
    ("esp32.Partition(esp32.Partition.RUNNING).info()[4]", "'factory'",  "ran"),
    ("[q.info()[4] for q in esp32.Partition.find()]",   "['factory']",   "ran"),
    ("[q.info()[4] for q in esp32.Partition.find(1, label='slot0')]", "['slot0']", "ran"),
    ("len(esp32.Partition.find(esp32.Partition.TYPE_DATA, subtype=0x92))", "1", "ran"),
    ("p.set_boot()",                                    "OSError -5379", "ran"),
    ("p.get_next_update()",                             "OSError 2",     "ran"),
    ("p.mark_app_valid_cancel_rollback()",              "OSError -261",  "ran"),
    ("memoryview(p)",                                   "TypeError",     "ran"),
    # what stands on it
    ("vfs.VfsLfs2.mkfs(p, progsize=256)",               "None",          "ran"),
    ("vfs.VfsLfs2(p, progsize=256).statvfs('/')[2]",    "2",             "ran"),
    ("p.ioctl(6, 0), p.ioctl(6, 1)",                    "(0, 0)",        "ran"),
    # the chip
    ("len(machine.unique_id())",                        "6",             "ran"),
    ("machine.PWRON_RESET, machine.HARD_RESET, machine.WDT_RESET", "(1, 2, 3)", "ran"),
    ("'VfsRom' in dir(vfs)",                            "False",         "ran"),
    ("pow(3, -1, 7)",                                   "0",             "ran"),
    ("(2**256 - 2**32)**2 // (2**256 - 2**32) == 2**256 - 2**32", "True", "ran"),
    ("hashlib.sha256(b'abc').digest()[:4].hex()",       "'ba7816bf'",    "ran"),
)
# fmt: on

p = esp32.Partition("scratch")
s = esp32.Partition("scratch", 512)


# `length` bytes from byte `at` on of block 0; within: an offset on top.
def read(at, length, within=0):
    octets = bytearray(length)
    p.readblocks(0, octets, at + within)
    return octets.hex()


def write(block, within, octets):
    return p.writeblocks(block, octets, within)


def answer(question):
    try:
        return repr(eval(question, globals()))
    except OSError as error:
        return "OSError %d" % error.errno
    except Exception as error:
        return type(error).__name__


# (question, answer, answer that is expected, where that is known from) of each
def answers():
    return [(text, answer(text), expected, source) for text, expected, source in QUESTIONS]
