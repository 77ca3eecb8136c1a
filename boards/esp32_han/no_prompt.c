// What stands in for MicroPython's prompt in a product: a reset.
//
// main.c asks for a prompt whenever main.py ends, by whatever error. There is no compiler in a
// product that could serve one, so none is started.

#include "py/mphal.h"
#include "py/runtime.h"
#include "shared/runtime/pyexec.h"
#include "esp_system.h"

#if !MICROPY_ENABLE_COMPILER

int pyexec_friendly_repl(void) {
    // time for the console to say why, and no faster round than this
    mp_hal_delay_ms(500);
    esp_restart();
}

int pyexec_raw_repl(void) {
    return pyexec_friendly_repl();
}

#endif

#if !MICROPY_KBD_EXCEPTION

// Nor does Ctrl-C interrupt anything: uart.c compares every byte with this one, and none is -1.
int mp_interrupt_char = -1;

void mp_hal_set_interrupt_char(int c) {
    (void)c;
}

void mp_sched_keyboard_interrupt(void) {
}

#endif
