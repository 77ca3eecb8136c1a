// The most memory that was in use after a collection, under a collector that runs often.

#include "py/gc.h"
#include "py/runtime.h"

// Read and written from outside: the emulator sees the chip's memory.
volatile size_t bench_heap_peak;
volatile size_t bench_heap_total;
volatile size_t bench_collect_bytes; // allocated between two collections; 0 for as many as fit

void __real_gc_collect(void);

// Linked in place of gc_collect, see micropython.cmake.
void __wrap_gc_collect(void) {
    __real_gc_collect();
    gc_info_t info;
    gc_info(&info);
    bench_heap_total = info.total;
    if (info.used > bench_heap_peak) {
        bench_heap_peak = info.used;
    }
}

// To be called often: from here on the collector runs as often as was asked for.
static mp_obj_t bench_collect_often(void) {
    if (bench_collect_bytes) {
        MP_STATE_MEM(gc_alloc_threshold) = bench_collect_bytes / MICROPY_BYTES_PER_GC_BLOCK;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(bench_collect_often_obj, bench_collect_often);

static const mp_rom_map_elem_t bench_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__bench) },
    { MP_ROM_QSTR(MP_QSTR_collect_often), MP_ROM_PTR(&bench_collect_often_obj) },
};
static MP_DEFINE_CONST_DICT(bench_globals, bench_globals_table);

const mp_obj_module_t bench_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&bench_globals,
};

MP_REGISTER_MODULE(MP_QSTR__bench, bench_module);
