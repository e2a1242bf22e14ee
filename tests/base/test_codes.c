#include "scratch.h"

#include <math.h>
#include <signet/codes.h>
#include <signet/random.h>

static void test_allowed_bits(void **state)
{
    (void)state;
    sg_error err = {0};
    for (int64_t nbits = -16; nbits <= SG_BITS_MAX + 16; nbits++) {
        bool ok = sg_bits_check(nbits, &err);
        assert_int_equal(ok, nbits >= 8 && nbits <= 1024 && nbits % 8 == 0);
        if (!ok) assert_int_equal(err.code, SG_ERR_USAGE);
    }
    sg_bits_check(12, &err);
    assert_string_equal(err.message, "a code has a multiple of 8 bits, 8 to 1024: not 12");
    assert_false(sg_bits_check(INT64_MIN, NULL) || sg_bits_check(INT64_MAX, NULL));
}

/* Least significant bit first; 0, -0 and NaN are no ones. */
static void test_packing_by_hand(void **state)
{
    (void)state;
    static const float z[32] = {1,    -1, 0,  -0.0f, NAN, INFINITY, -INFINITY, 0x1p-149f, /* bits 0, 5, 7 */
                                -1,   2,  -1, -1,    -1,  -1,       -1,        -1,        /* bit 1 */
                                1,    1,  1,  1,     1,   1,        1,         1,
                                -NAN, 0,  0,  0,     0,   0,        0,         -1};
    uint8_t codes[4];
    sg_codes_pack(codes, z, 2, 16);
    assert_memory_equal(codes, "\xa1\x02\xff\x00", 4);
    float signs[32];
    sg_codes_unpack(signs, codes, 1, 32);
    for (int i = 0; i < 32; i++) assert_true(signs[i] == (z[i] > 0 ? 1.0f : -1.0f));
    sg_codes_pack(codes, NULL, 0, 16);
    assert_memory_equal(codes, "\xa1\x02\xff\x00", 4);
}

static void test_packing_and_back(void **state)
{
    (void)state;
    enum { N = 5 };
    static float z[N * SG_BITS_MAX], signs[N * SG_BITS_MAX];
    static uint8_t codes[N * SG_BITS_MAX / 8 + 1];
    sg_rng rng = sg_rng_at(0, SG_RNG_TEST, 0, 0);
    for (size_t nbits = 8; nbits <= SG_BITS_MAX; nbits += 8) {
        for (size_t i = 0; i < N * nbits; i++) z[i] = (float)sg_rng_normal(&rng);
        codes[N * nbits / 8] = 0x5a;
        sg_codes_pack(codes, z, N, nbits);
        assert_int_equal(codes[N * nbits / 8], 0x5a);
        sg_codes_unpack(signs, codes, N, nbits);
        for (size_t i = 0; i < N; i++)
            for (size_t k = 0; k < nbits; k++) {
                bool bit = codes[i * nbits / 8 + k / 8] >> k % 8 & 1;
                assert_int_equal(bit, z[i * nbits + k] > 0);
                assert_true(signs[i * nbits + k] == (bit ? 1.0f : -1.0f));
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allowed_bits),
        cmocka_unit_test(test_packing_by_hand),
        cmocka_unit_test(test_packing_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
