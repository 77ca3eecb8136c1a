// What stands in for MicroPython's prompt in a product: a reset.
//
// main.c asks for a prompt whenever main.py ends, by whatever error. There is no compiler in a
// product that could serve one, so none is started.

#include "py/mphal.h"
#include "shared/runtime/pyexec.h"
#include "hardware/watchdog.h"

#if !MICROPY_ENABLE_COMPILER

// nor does Ctrl-C interrupt anything
void mp_hal_set_interrupt_char(int c) {
    (void)c;
}

int pyexec_friendly_repl(void) {
    // time for the console to say why, and no faster round than this
    mp_hal_delay_ms(500);
    watchdog_reboot(0, 0, 0);
    for (;;) {
    }
}

int pyexec_raw_repl(void) {
    return pyexec_friendly_repl();
}

#endif
