/* HEIC and AVIF: pixels, transformations, and what is refused. */
#include "datasets/pictures.h"

static char *bytes;
static size_t nbytes;

static void load(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "heif/%s", name);
    bytes = get_optional(path, &nbytes);
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
            assert_undecodable(bytes, nbytes, SG_ERR_FORMAT, "HEIF ", NULL);
            free(bytes);
        }
        sg_free(whole);
    }
}

/* Whatever byte is hit, there is an image or an error of one line. */
static void test_flips(void **state)
{
    (void)state;
    static const char *const names[] = {"rgb.heic", "rgb.avif"};
    for (size_t i = 0; i < 2; i++) {
        load(names[i]);
        for (size_t at = 0; at < nbytes; at++) {
            bytes[at] = (char)~bytes[at];
            sg_image image;
            sg_error err = {0};
            bool decoded = sg_image_decode(&image, bytes, nbytes, NULL, &err);
            assert_true(decoded ? image.pixels != NULL : err.message[0] != 0);
            sg_image_clear(&image);
            bytes[at] = (char)~bytes[at];
        }
        sg_free(bytes);
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
    assert_undecodable(bytes, nbytes, SG_ERR_LIMIT, "pixels, more than 322 in all",
                       &(sg_decode_options){.max_pixels = 19 * 17 - 1});
    sg_image image;
    assert_true(sg_image_decode(&image, bytes, nbytes, &(sg_decode_options){.max_pixels = 64 * 64}, NULL));
    sg_image_clear(&image);
    sg_free(bytes);
}

/* All that the boxes say of sizes is 8 x 8: what the coded pictures say counts. */
static void test_lying_boxes(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        uint64_t max_pixels;
    } cases[] = {{"rgb.avif", "declares 19 x 17 pixels", 100}, {"rgb.heic", "declares 64 x 64 pixels", 400}};
    for (size_t i = 0; i < 2; i++) {
        load(cases[i].name);
        char *at = bytes;
        while ((at = memmem(at, nbytes - (size_t)(at - bytes), "ispe", 4))) {
            memcpy(at + 8, "\0\0\0\x08\0\0\0\x08", 8);
            at += 4;
        }
        assert_undecodable(bytes, nbytes, SG_ERR_LIMIT, cases[i].text,
                           &(sg_decode_options){.max_pixels = cases[i].max_pixels});
        sg_free(bytes);
    }
}

/* The grid that the tiles are laid on: version, flags, rows - 1, columns - 1, width, height. */
static void test_lying_grid(void **state)
{
    (void)state;
    load("rgb.heic");
    char *grid = memmem(bytes, nbytes, "\0\0\0\0\0\x13\0\x11", 8);
    assert_non_null(grid);
    memcpy(grid + 4, "\x30\0\x30\0", 4);
    assert_undecodable(bytes, nbytes, SG_ERR_LIMIT, "declares 12288 x 12288 pixels in ", NULL);
    memcpy(grid + 4, "\xff\xff\xff\xff", 4);
    assert_undecodable(bytes, nbytes, SG_ERR_LIMIT, "declares 65535 x 65535 pixels, more than", NULL);
    sg_free(bytes);
}

/* A grid that is its own tile; colours and alpha of more than is allowed. */
static void test_references(void **state)
{
    (void)state;
    load("rgb.heic");
    char *reference = memmem(bytes, nbytes, "dimg", 4); /* from, count, to */
    assert_non_null(reference);
    assert_memory_equal(reference + 4, "\0\x02\0\x01\0\x01", 6);
    reference[9] = 2;
    assert_undecodable(bytes, nbytes, SG_ERR_LIMIT, "HEIF is put together in circles", NULL);
    sg_free(bytes);

    load("alpha.heic");
    assert_undecodable(bytes, nbytes, SG_ERR_LIMIT, "declares 64 x 64 pixels",
                       &(sg_decode_options){.max_pixels = 4095});
    sg_image image;
    sg_error err = {0};
    assert_true(sg_image_decode(&image, bytes, nbytes, &(sg_decode_options){.max_pixels = 4096}, &err));
    sg_image_clear(&image);
    sg_free(bytes);
}

static void test_what_is_not_read(void **state)
{
    (void)state;
    load("premultiplied.heic");
    assert_undecodable(bytes, nbytes, SG_ERR_UNSUPPORTED, "HEIF has premultiplied alpha", NULL);
    sg_free(bytes);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    load("alpha.heic");
    assert_survives_allocation_failures(decodes_grey(bytes, nbytes, &err));
    sg_free(bytes);
}

int main(void)
{
    fixture("");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_flips),
        cmocka_unit_test(test_junk_after_the_end),
        cmocka_unit_test(test_limit_option),
        cmocka_unit_test(test_lying_boxes),
        cmocka_unit_test(test_lying_grid),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_what_is_not_read),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
