// MicroPython's configuration for the syntax check: the unix port's types, and the board's choices.
#include "mpconfigboard.h"

#include <alloca.h>
#include <stdint.h>

typedef intptr_t mp_int_t;
typedef uintptr_t mp_uint_t;
typedef long mp_off_t;

#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)
#define MICROPY_MPHALPORT_H "mphalport.h"
