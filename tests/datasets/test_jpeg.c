/* JPEG decoded at a fraction of its size, and coded in other ways than PIL writes; the pixels at full size are checked
 * with all formats in test_image. */
#include "datasets/transcode.h"

static const char *const names[] = {"ycc420", "ycc422", "progressive", "grey", "cmyk"}; /* 70 x 45 each */
#define NNAMES (sizeof names / sizeof *names)

/* With this shorter_min the picture comes out at 1 / reduction. */
static void check(const char *name, int shorter_min, int reduction)
{
    char path[64];
    sg_image image;
    sg_error err = {0};
    snprintf(path, sizeof path, "reduced/%s.jpg", name);
    const sg_decode_options options = {.channels = 3, .shorter_min = shorter_min};
    if (!sg_image_load(&image, fixture(path), &options, &err)) fail_msg("%s", err.message);
    snprintf(path, sizeof path, "reduced/%s.%d.ppm", name, reduction);
    sg_image expected = get_pnm(fixture(path));
    assert_same_image(&image, &expected, path);
    sg_image_clear(&image);
    sg_image_clear(&expected);
}

static void test_reduction(void **state)
{
    (void)state;
    static const struct {
        int shorter_min, reduction;
    } cases[] = {{0, 1},  {1, 8},  {5, 8},  {6, 4},  {11, 4},
                 {12, 2}, {22, 2}, {23, 1}, {45, 1}, {2147483647, 1}};
    for (size_t n = 0; n < NNAMES; n++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            check(names[n], cases[i].shorter_min, cases[i].reduction);
}

/* What the file declares counts, however small it is decoded. */
static void test_limit_holds_for_the_declared_size(void **state)
{
    (void)state;
    sg_image image;
    sg_error err = {0};
    sg_decode_options options = {.shorter_min = 1, .max_pixels = 70 * 45 - 1};
    assert_false(sg_image_load(&image, fixture("reduced/grey.jpg"), &options, &err));
    assert_message(err, SG_ERR_LIMIT, "declares 70 x 45 pixels");
    options.max_pixels++;
    assert_true(sg_image_load(&image, fixture("reduced/grey.jpg"), &options, &err));
    assert_int_equal(image.width, 9);
    sg_image_clear(&image);
}

static void test_png_stays(void **state)
{
    (void)state;
    sg_image image;
    assert_true(
        sg_image_load(&image, fixture("images/rgb8.png"), &(sg_decode_options){.shorter_min = 1}, NULL));
    assert_int_equal(image.width, 13);
    sg_image_clear(&image);
}

/* Cut anywhere it is refused at a fraction of its size too. */
static void test_truncation(void **state)
{
    (void)state;
    for (size_t n = 0; n < NNAMES; n++) {
        char path[64];
        size_t nbytes;
        snprintf(path, sizeof path, "reduced/%s.jpg", names[n]);
        char *bytes = get_file(fixture(path), &nbytes);
        for (size_t size = 3; size < nbytes; size += 7) {
            sg_image image;
            sg_error err = {0};
            char *part = malloc(size);
            memcpy(part, bytes, size);
            assert_false(sg_image_decode(&image, part, size, &(sg_decode_options){.shorter_min = 1}, &err));
            assert_int_equal(err.code, SG_ERR_FORMAT);
            free(part);
        }
        sg_free(bytes);
    }
}

static void test_arithmetic_and_restarts(void **state)
{
    (void)state;
    for (size_t n = 0; n < NNAMES; n++)
        for (int i = 0; i < 8; i++) {
            char path[64];
            snprintf(path, sizeof path, "reduced/%s.jpg", names[n]);
            size_t nbytes;
            char *bytes = get_file(fixture(path), &nbytes);
            unsigned long other_nbytes;
            unsigned char *other = transcode(&other_nbytes, bytes, nbytes, i & 1, i & 2, i & 4 ? 3 : 0);
            assert_true((i & 1) == 0 || memmem(other, other_nbytes, i & 2 ? "\xff\xca" : "\xff\xc9", 2));
            for (int shorter_min = 0; shorter_min <= 12; shorter_min += 12) {
                sg_image image, expected;
                sg_error err = {0};
                const sg_decode_options options = {.shorter_min = shorter_min};
                assert_true(sg_image_decode(&expected, bytes, nbytes, &options, NULL));
                if (!sg_image_decode(&image, other, other_nbytes, &options, &err))
                    fail_msg("%s (%d): %s", path, i, err.message);
                assert_same_image(&image, &expected, path);
                sg_image_clear(&image);
                sg_image_clear(&expected);
            }
            free(other);
            sg_free(bytes);
        }
}

static void test_what_is_not_read(void **state)
{
    (void)state;
    static const struct {
        size_t at; /* in the frame's segment */
        unsigned char value;
        const char *text;
    } cases[] = {{4, 12, "JPEG has 12 bits a sample"},
                 {1, 0xc3, "JPEG is lossless or hierarchical (SOF 0xc3)"},
                 {1, 0xc5, "JPEG is lossless or hierarchical (SOF 0xc5)"},
                 {9, 2, "JPEG is broken: "}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t nbytes;
        char *bytes = get_file(fixture("reduced/grey.jpg"), &nbytes),
             *frame = memmem(bytes, nbytes, "\xff\xc0", 2);
        assert_non_null(frame);
        frame[cases[i].at] = (char)cases[i].value;
        sg_image image;
        sg_error err = {0};
        assert_false(sg_image_decode(&image, bytes, nbytes, NULL, &err));
        assert_message(err, cases[i].at == 9 ? SG_ERR_FORMAT : SG_ERR_UNSUPPORTED, cases[i].text);
        sg_free(bytes);
    }
}

int main(void)
{
    fixture("");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reduction),
        cmocka_unit_test(test_limit_holds_for_the_declared_size),
        cmocka_unit_test(test_png_stays),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_arithmetic_and_restarts),
        cmocka_unit_test(test_what_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
