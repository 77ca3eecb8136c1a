// Module `_console`: what has arrived at the console, without waiting for more, in a ring that
// holds a whole request; and the board's name.
//
// MicroPython's ring has 260 bytes (ports/esp32/mphalport.c), and drops without a sign what does
// not fit: 22 ms of the line at 115200. Its interrupt handler fills whatever `stdin_ringbuf` points
// to, so the ring is replaced before the handler is installed.

#include "py/mphal.h"
#include "py/objstr.h"
#include "py/ringbuf.h"
#include "py/runtime.h"

// A request of 1024 bytes is 1403 on the line; bootloader/link/frame.py, BUF_BYTES.
#define RING_BYTES (4096)

// of ports/esp32/main.c: what a board's start replaces
void boardctrl_startup(void);

// The handler runs from IRAM while flash is erased: internal memory, which .bss is without PSRAM.
static uint8_t ring[RING_BYTES];

// Before the MicroPython task, and so before uart_stdout_init.
void hanboot_startup(void) {
    stdin_ringbuf.buf = ring;
    stdin_ringbuf.size = sizeof(ring);
    stdin_ringbuf.iget = stdin_ringbuf.iput = 0;
    boardctrl_startup();
}

// readinto(buffer) -> bytes read, 0 where there are none
static mp_obj_t console_readinto(mp_obj_t buffer_in) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(buffer_in, &buffer, MP_BUFFER_WRITE);
    size_t count = 0;
    while (count < buffer.len) {
        int octet = ringbuf_get(&stdin_ringbuf);
        if (octet < 0) {
            break;
        }
        ((uint8_t *)buffer.buf)[count++] = octet;
    }
    return MP_OBJ_NEW_SMALL_INT(count);
}
static MP_DEFINE_CONST_FUN_OBJ_1(console_readinto_obj, console_readinto);

static MP_DEFINE_STR_OBJ(console_board_obj, MICROPY_HW_BOARD_NAME);

static const mp_rom_map_elem_t console_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__console) },
    { MP_ROM_QSTR(MP_QSTR_readinto), MP_ROM_PTR(&console_readinto_obj) },
    { MP_ROM_QSTR(MP_QSTR_BOARD), MP_ROM_PTR(&console_board_obj) },
    { MP_ROM_QSTR(MP_QSTR_RING_BYTES), MP_ROM_INT(RING_BYTES - 1) },
};
static MP_DEFINE_CONST_DICT(console_globals, console_globals_table);

const mp_obj_module_t console_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&console_globals,
};

MP_REGISTER_MODULE(MP_QSTR__console, console_module);
