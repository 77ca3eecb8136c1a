// What the board's files use of ports/esp32/mphalport.h, which needs ESP-IDF.
#include "py/ringbuf.h"

extern ringbuf_t stdin_ringbuf;
void mp_hal_set_interrupt_char(int c);
