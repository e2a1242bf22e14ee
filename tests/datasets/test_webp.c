/* WebP: what is refused. Pixels, cuts and flips are in test_image, turning in test_exif. */
#include "datasets/pictures.h"

static char *bytes;
static size_t nbytes;

static void load(const char *name)
{
    bytes = get_optional(name, &nbytes);
}

static void test_animated(void **state)
{
    (void)state;
    load("webp/animated.webp");
    assert_undecodable(bytes, nbytes, SG_ERR_UNSUPPORTED, "WebP is animated", NULL);
    sg_free(bytes);
}

/* Width and height of the lossless kind: 14 bits each, less 1, after the signature 0x2f. */
static void test_lying_sizes(void **state)
{
    (void)state;
    load("images/lossless.webp");
    char *sizes = memmem(bytes, nbytes, "VP8L", 4);
    assert_non_null(sizes);
    assert_int_equal(sizes[8], 0x2f);
    memset(sizes + 9, 0xff, 3);
    sizes[12] = (char)(sizes[12] | 0x0f);
    assert_undecodable(bytes, nbytes, SG_ERR_LIMIT, "declares 16384 x 16384 pixels, more than 200000000",
                       NULL);
    sizes[11] = (char)0xc3, sizes[12] = (char)(sizes[12] & 0xf0); /* height 16 */
    assert_undecodable(bytes, nbytes, SG_ERR_FORMAT, "WebP ", NULL);
    sizes[11] = (char)0xff, sizes[12] = (char)(sizes[12] | 1); /* 2048 */
    assert_undecodable(bytes, nbytes, SG_ERR_LIMIT, "declares 16384 x 2048 pixels in 858 bytes", NULL);
    sg_free(bytes);
}

static void test_limit_option(void **state)
{
    (void)state;
    load("images/lossy.webp");
    assert_undecodable(bytes, nbytes, SG_ERR_LIMIT, "declares 19 x 17 pixels",
                       &(sg_decode_options){.max_pixels = 19 * 17 - 1});
    sg_image image;
    assert_true(sg_image_decode(&image, bytes, nbytes, &(sg_decode_options){.max_pixels = 19 * 17}, NULL));
    sg_image_clear(&image);
    sg_free(bytes);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    load("images/lossy_alpha.webp");
    assert_survives_allocation_failures(decodes_grey(bytes, nbytes, &err));
    sg_free(bytes);
}

int main(void)
{
    fixture("");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_animated),
        cmocka_unit_test(test_lying_sizes),
        cmocka_unit_test(test_limit_option),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
