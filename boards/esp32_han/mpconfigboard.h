// ESP32 with 4 MiB of flash, running hanboot.

#ifndef HANBOOT_DEVELOPMENT
#define HANBOOT_DEVELOPMENT (0)
#endif

// board.py reads role and variant from _console.BOARD, which is this.
#if HANBOOT_DEVELOPMENT
#define MICROPY_HW_BOARD_NAME "esp32_han " HANBOOT_ROLE " development"
#else
#define MICROPY_HW_BOARD_NAME "esp32_han " HANBOOT_ROLE " product"
#endif
#define MICROPY_HW_MCU_NAME "ESP32"

// Applications run in place, from the one partition that MicroPython maps: the data partition with
// the label "romfs" (ports/esp32/esp32_partition.c, mp_vfs_rom_ioctl). Before any Python, mp_init
// mounts it at /rom where it begins with a ROMFS header: its first sector is ours, and _boot.py
// unmounts whatever is there.
#define MICROPY_VFS_ROM (1)

// console.c: a console ring that holds a whole request
#define MICROPY_BOARD_STARTUP hanboot_startup
void hanboot_startup(void);

// A product has neither compiler nor prompt: no_prompt.c stands in for what main.c calls.
#define MICROPY_ENABLE_COMPILER (HANBOOT_DEVELOPMENT)
#define MICROPY_KBD_EXCEPTION (HANBOOT_DEVELOPMENT)
#define MICROPY_HELPER_REPL (HANBOOT_DEVELOPMENT)
#define MICROPY_PY_BUILTINS_HELP (HANBOOT_DEVELOPMENT)

// Off: radios, which nothing here uses and anybody could reach.
#define MICROPY_PY_BLUETOOTH (0)
#define MICROPY_PY_ESPNOW (0)
#define MICROPY_PY_NETWORK_WLAN (0)
#define MICROPY_HW_ENABLE_SDCARD (0)

// MicroPython 1.25 defines these for the port without asking a board, so they stay: terminals in
// Python (os.dupterm), WebREPL's C half, threads. No module that is frozen here uses them.
