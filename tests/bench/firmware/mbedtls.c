// mbedTLS's verification, to be timed beside ours.

#include <string.h>

#include "mbedtls/ecdsa.h"
#include "py/runtime.h"

#define NUMBER_BYTES (32)

static mbedtls_ecp_group group;
static mbedtls_ecp_point key;
static mbedtls_mpi r, s;

static void check(int error) {
    if (error) {
        mp_raise_OSError(-error);
    }
}

static const uint8_t *octets(mp_obj_t object, size_t length) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(object, &buffer, MP_BUFFER_READ);
    if (buffer.len != length) {
        mp_raise_ValueError(NULL);
    }
    return buffer.buf;
}

// load(key, signature): everything that can be had before a digest is known
static mp_obj_t bench_load(mp_obj_t key_in, mp_obj_t signature_in) {
    uint8_t point[1 + 2 * NUMBER_BYTES] = {0x04};
    memcpy(point + 1, octets(key_in, 2 * NUMBER_BYTES), 2 * NUMBER_BYTES);
    const uint8_t *signature = octets(signature_in, 2 * NUMBER_BYTES);
    mbedtls_ecp_group_init(&group);
    mbedtls_ecp_point_init(&key);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    check(mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP256R1));
    check(mbedtls_ecp_point_read_binary(&group, &key, point, sizeof(point)));
    check(mbedtls_mpi_read_binary(&r, signature, NUMBER_BYTES));
    check(mbedtls_mpi_read_binary(&s, signature + NUMBER_BYTES, NUMBER_BYTES));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(bench_load_obj, bench_load);

// verify(digest) -> whether the signature is right
static mp_obj_t bench_verify(mp_obj_t digest_in) {
    const uint8_t *digest = octets(digest_in, NUMBER_BYTES);
    return mp_obj_new_bool(mbedtls_ecdsa_verify(&group, digest, NUMBER_BYTES, &key, &r, &s) == 0);
}
static MP_DEFINE_CONST_FUN_OBJ_1(bench_verify_obj, bench_verify);

static const mp_rom_map_elem_t bench_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__bench_mbedtls) },
    { MP_ROM_QSTR(MP_QSTR_load), MP_ROM_PTR(&bench_load_obj) },
    { MP_ROM_QSTR(MP_QSTR_verify), MP_ROM_PTR(&bench_verify_obj) },
};
static MP_DEFINE_CONST_DICT(bench_globals, bench_globals_table);

const mp_obj_module_t bench_mbedtls_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&bench_globals,
};

MP_REGISTER_MODULE(MP_QSTR__bench_mbedtls, bench_mbedtls_module);
