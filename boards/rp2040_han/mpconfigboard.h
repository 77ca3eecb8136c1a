// RP2040 with 2 MiB of flash (Raspberry Pi Pico), running hanboot.

#ifndef HANBOOT_DEVELOPMENT
#define HANBOOT_DEVELOPMENT (0)
#endif

// board.py reads role and variant from here, the one place that Python sees without a module.
#if HANBOOT_DEVELOPMENT
#define MICROPY_HW_BOARD_NAME "rp2040_han " HANBOOT_ROLE " development"
#else
#define MICROPY_HW_BOARD_NAME "rp2040_han " HANBOOT_ROLE " product"
#endif
#define MICROPY_HW_USB_MANUFACTURER_STRING "hanboot"
#define MICROPY_HW_USB_PRODUCT_FS_STRING MICROPY_HW_BOARD_NAME
#define MICROPY_HW_USB_CDC_INTERFACE_STRING "SMP console"

// Flash: 448 KiB of firmware, and board.py's regions behind it. The last block of the firmware's
// part is kept for MicroPython's own ROMFS partition: without one there is no VfsRom.
#define MICROPY_HW_FLASH_STORAGE_BYTES (1600 * 1024)
#define MICROPY_HW_ROMFS_BYTES (4096)

// A product has neither compiler nor prompt: no_prompt.c stands in for what main.c calls.
#define MICROPY_ENABLE_COMPILER (HANBOOT_DEVELOPMENT)
#define MICROPY_KBD_EXCEPTION (HANBOOT_DEVELOPMENT)
#define MICROPY_HELPER_REPL (HANBOOT_DEVELOPMENT)
#define MICROPY_PY_BUILTINS_HELP (HANBOOT_DEVELOPMENT)

// Off: a second way in (USB descriptors made at run time, terminals in Python), a second core
// that could run while flash is erased, and file systems that nothing here uses.
#define MICROPY_HW_ENABLE_USB_RUNTIME_DEVICE (0)
#define MICROPY_PY_OS_DUPTERM (0)
#define MICROPY_PY_THREAD (0)
