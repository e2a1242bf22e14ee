/* HEIC and AVIF: pixels, transformations, and what is refused. */
#include "datasets/pictures.h"

static char *bytes;
static size_t nbytes;

static void load(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "heif/%s", name);
    bytes = get_file(fixture(path), &nbytes);
    if (is_readable(bytes, nbytes)) return;
    sg_free(bytes);
    skip();
}

static void assert_refused(sg_code code, const char *text, const sg_decode_options *options)
{
    sg_image image;
    sg_error err = {0};
    assert_false(sg_image_decode(&image, bytes, nbytes, options, &err));
    assert_message(err, code, text);
    assert_null(image.pixels);
}

/* Rounded to YCbCr, and with alpha from there over white. */
static void assert_near(const sg_image *image, const sg_image *expected, const char *what)
{
    assert_int_equal(image->width, expected->width);
    assert_int_equal(image->height, expected->height);
    assert_int_equal(image->channels, expected->channels);
    for (size_t i = 0; i < image_nbytes(image); i++)
        if (abs(image->pixels[i] - expected->pixels[i]) > 2)
            fail_msg("%s: byte %zu is %d, not %d", what, i, image->pixels[i], expected->pixels[i]);
}

/* Turned once by the file's own transformations, asked for or not: EXIF beside them is not heard. */
static void test_pixels(void **state)
{
    (void)state;
    size_t size;
    char *list = get_file(fixture("heif/index.txt"), &size), *rest = NULL;
    int n = 0;
    for (char *name = strtok_r(list, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest), n++) {
        load(name);
        char path[64];
        snprintf(path, sizeof path, "heif/%s.ppm", name);
        sg_image expected = get_pnm(fixture(path)), expected_grey, image;
        assert_true(sg_image_convert(&expected_grey, &expected, 1, NULL));
        for (int i = 0; i < 6; i++) {
            sg_decode_options options = {.channels = i < 2 ? 0 : i < 4 ? 1 : 3, .oriented = i % 2};
            sg_error err = {0};
            if (!sg_image_decode(&image, bytes, nbytes, &options, &err))
                fail_msg("%s: %s", name, err.message);
            assert_near(&image, options.channels == 1 ? &expected_grey : &expected, name);
            sg_image_clear(&image);
        }
        sg_image_clear(&expected);
        sg_image_clear(&expected_grey);
        sg_free(bytes);
    }
    assert_int_equal(n, 6);
    sg_free(list);
}

static void test_truncation(void **state)
{
    (void)state;
    static const char *const names[] = {"alpha.heic", "rgb.avif"};
    for (size_t i = 0; i < 2; i++) {
        load(names[i]);
        char *whole = bytes;
        size_t whole_nbytes = nbytes;
        for (nbytes = 12; nbytes < whole_nbytes; nbytes++) {
            bytes = malloc(nbytes);
            memcpy(bytes, whole, nbytes);
            assert_refused(SG_ERR_FORMAT, "HEIF ", NULL);
            free(bytes);
        }
        sg_free(whole);
    }
}

static void test_junk_after_the_end(void **state)
{
    (void)state;
    load("rgb.heic");
    for (size_t junk = 1; junk < 40; junk++) {
        char *longer = malloc(nbytes + junk);
        memcpy(longer, bytes, nbytes);
        memset(longer + nbytes, 'x', junk);
        sg_image image;
        sg_error err = {0};
        if (!sg_image_decode(&image, longer, nbytes + junk, NULL, &err)) fail_msg("%s", err.message);
        sg_image_clear(&image);
        free(longer);
    }
    sg_free(bytes);
}

static void test_limit_option(void **state)
{
    (void)state;
    load("turned.avif");
    assert_refused(SG_ERR_LIMIT, "declares 17 x 19 pixels", &(sg_decode_options){.max_pixels = 19 * 17 - 1});
    sg_image image;
    assert_true(sg_image_decode(&image, bytes, nbytes, &(sg_decode_options){.max_pixels = 64 * 64}, NULL));
    sg_image_clear(&image);
    sg_free(bytes);
}

static void test_what_is_not_read(void **state)
{
    (void)state;
    load("premultiplied.heic");
    assert_refused(SG_ERR_UNSUPPORTED, "HEIF has premultiplied alpha", NULL);
    sg_free(bytes);
}

static bool decode_once(sg_error *err)
{
    sg_image image;
    if (!sg_image_decode(&image, bytes, nbytes, &(sg_decode_options){.channels = 1}, err)) return false;
    sg_image_clear(&image);
    return true;
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    load("alpha.heic");
    assert_survives_allocation_failures(decode_once(&err));
    sg_free(bytes);
}

int main(void)
{
    fixture("");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_junk_after_the_end),
        cmocka_unit_test(test_limit_option),
        cmocka_unit_test(test_what_is_not_read),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
