// Module `_console`: what has arrived at the console, without waiting for more.
//
// sys.stdin waits until all the octets asked for have come; asking for one at a time, behind a
// poll, costs some 60 us each.

#include "py/mphal.h"
#include "py/ringbuf.h"
#include "py/runtime.h"
#include "shared/tinyusb/mp_usbd_cdc.h"

extern ringbuf_t stdin_ringbuf;

// readinto(buffer) -> octets read, 0 where there are none
static mp_obj_t console_readinto(mp_obj_t buffer_in) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(buffer_in, &buffer, MP_BUFFER_WRITE);
    size_t count = 0;
    // moves what USB holds into the ring, also when that was full before
    mp_usbd_cdc_poll_interfaces(0);
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

static const mp_rom_map_elem_t console_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__console) },
    { MP_ROM_QSTR(MP_QSTR_readinto), MP_ROM_PTR(&console_readinto_obj) },
};
static MP_DEFINE_CONST_DICT(console_globals, console_globals_table);

const mp_obj_module_t console_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&console_globals,
};

MP_REGISTER_MODULE(MP_QSTR__console, console_module);
