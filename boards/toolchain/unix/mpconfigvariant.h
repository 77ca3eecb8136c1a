// MicroPython unix port as the virtual board's chip: what differs from the stock build.

// Boards count big integers in 16-bit digits; a 64-bit host must not hide what that changes.
#ifndef MPZ_DIG_SIZE
#define MPZ_DIG_SIZE (16)
#endif

// Board ports stand at this level too.
#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)

// Brings MICROPY_VFS_ROM, which reads in place from any object with the buffer protocol.
#include "variants/mpconfigvariant_common.h"
