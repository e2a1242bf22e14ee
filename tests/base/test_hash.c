#include "scratch.h"

#include <signet/hash.h>

/* fixtures/base/blake2b.txt (Python's hashlib): lines "NBYTES DIGEST_NBYTES HEX" of the bytes 7 * i + 3. */
static void test_blake2b_against_hashlib(void **state)
{
    (void)state;
    FILE *file = fopen("fixtures/base/blake2b.txt", "r");
    assert_non_null(file);
    static uint8_t bytes[5000], digest[64];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(7 * i + 3);
    size_t nbytes, digest_nbytes;
    char expected[130], hex[130];
    int lines = 0;
    for (; fscanf(file, "%zu %zu %129s", &nbytes, &digest_nbytes, expected) == 3; lines++) {
        sg_blake2b_of(digest, digest_nbytes, nbytes ? bytes : NULL, nbytes);
        sg_hex(hex, digest, digest_nbytes);
        assert_string_equal(hex, expected);
        for (size_t piece = 1; piece <= 300; piece += 149) {
            sg_blake2b *stream = sg_blake2b_new(digest_nbytes);
            for (size_t at = 0; at < nbytes; at += piece)
                sg_blake2b_update(stream, bytes + at, nbytes - at < piece ? nbytes - at : piece);
            sg_blake2b_update(stream, NULL, 0);
            sg_blake2b_final(stream, digest);
            sg_hex(hex, digest, digest_nbytes);
            assert_string_equal(hex, expected);
        }
    }
    assert_true(lines >= 20);
    fclose(file);
}

static void test_blake2b_without_memory(void **state)
{
    (void)state;
    sg_mem_fail_at(1);
    assert_null(sg_blake2b_new(32));
    sg_blake2b_final(NULL, NULL);
}

/* Published values of XXH3 with seed 0. */
static void test_xxh3(void **state)
{
    (void)state;
    char hex[33];
    uint8_t digest[16];
    assert_true(sg_xxh3_64("", 0) == 0x2d06800538d394c2u);
    assert_true(sg_xxh3_64("a", 1) == 0xe6c632b61e964e1fu);
    assert_true(sg_xxh3_64("abc", 3) == 0x78af5f94892f3950u);
    sg_xxh3_128(digest, "", 0);
    sg_hex(hex, digest, 16);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
}

static void test_hex(void **state)
{
    (void)state;
    uint8_t bytes[256], back[256];
    char hex[513];
    for (int i = 0; i < 256; i++) bytes[i] = (uint8_t)i;
    sg_hex(hex, bytes, 256);
    assert_int_equal(strlen(hex), 512);
    assert_memory_equal(hex, "000102030405060708090a0b0c0d0e0f10", 34);
    assert_true(sg_unhex(back, 256, hex));
    assert_memory_equal(back, bytes, 256);
    assert_true(sg_unhex(back, 2, "aBCd"));
    assert_memory_equal(back, "\xab\xcd", 2);
    assert_true(sg_unhex(back, 0, ""));
    static const char *const wrong[] = {"",     "a",    "ab",   "abc",  "abcde", "abcdef",
                                        "abcg", "ab d", "0x12", "gbcd", "+1+2"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_false(sg_unhex(back, 2, wrong[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blake2b_against_hashlib),
        cmocka_unit_test(test_blake2b_without_memory),
        cmocka_unit_test(test_xxh3),
        cmocka_unit_test(test_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
