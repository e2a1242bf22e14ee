/* Pictures stored turned, and EXIF that is anything but sound. */
#include "datasets/pictures.h"

static void test_pictures_are_turned(void **state)
{
    (void)state;
    size_t nbytes;
    int n = 0;
    char *list = get_file(fixture("oriented/index.txt"), &nbytes), *rest = NULL;
    for (char *name = strtok_r(list, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest), n++) {
        char path[128];
        snprintf(path, sizeof path, "oriented/%s", name);
        char *bytes = get_file(fixture(path), &nbytes);
        bool readable = is_readable(bytes, nbytes);
        sg_free(bytes);
        if (!readable) continue;
        sg_image image, grey, expected, expected_grey;
        sg_error err = {0};
        sg_decode_options options = {.channels = 3, .oriented = true};
        if (!sg_image_load(&image, fixture(path), &options, &err)) fail_msg("%s", err.message);
        options.channels = 1;
        assert_true(sg_image_load(&grey, fixture(path), &options, &err));
        snprintf(path, sizeof path, "oriented/%s.ppm", name);
        expected = get_pnm(fixture(path));
        assert_same_image(&image, &expected, name);
        assert_true(sg_image_convert(&expected_grey, &expected, 1, &err));
        assert_same_image(&grey, &expected_grey, name);
        sg_image_clear(&image);
        sg_image_clear(&grey);
        sg_image_clear(&expected);
        sg_image_clear(&expected_grey);
    }
    sg_free(list);
    assert_int_equal(n, 15);
}

static void test_only_when_asked_for(void **state)
{
    (void)state;
    sg_image image, expected = get_pnm(fixture("oriented/rgb1.png.ppm"));
    assert_true(sg_image_load(&image, fixture("oriented/rgb6.png"), NULL, NULL));
    assert_same_image(&image, &expected, "stored");
    sg_image_clear(&image);
    sg_image_clear(&expected);
}

/* The size of a JPEG of 19 x 17 with this EXIF segment before all others, decoded upright: 19 when it was not turned
 * on its side. */
static int width_with(const void *segment, size_t segment_nbytes)
{
    static char *plain;
    static size_t plain_nbytes;
    if (!plain) plain = get_file(fixture("images/ycc420.jpg"), &plain_nbytes);
    size_t nbytes = plain_nbytes + 4 + segment_nbytes, length = segment_nbytes + 2;
    unsigned char *bytes = malloc(nbytes);
    memcpy(bytes, plain, 2);
    bytes[2] = 0xff, bytes[3] = 0xe1, bytes[4] = (unsigned char)(length >> 8),
    bytes[5] = (unsigned char)length;
    memcpy(bytes + 6, segment, segment_nbytes);
    memcpy(bytes + 6 + segment_nbytes, plain + 2, plain_nbytes - 2);
    sg_image image;
    sg_error err = {0};
    if (!sg_image_decode(&image, bytes, nbytes, &(sg_decode_options){.oriented = true}, &err))
        fail_msg("EXIF of %zu bytes: %s", segment_nbytes, err.message);
    int width = image.width;
    assert_int_equal(image.width + image.height, 19 + 17);
    sg_image_clear(&image);
    free(bytes);
    return width;
}

/* "Exif", a TIFF header, one directory of one entry: orientation 6, a short. */
static const unsigned char sound[] =
    "Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0";
enum {
    SOUND = sizeof sound - 1,
    DIRECTORY = 10,
    COUNT = 14,
    TAG = 16,
    TYPE = 18,
    VALUES = 20,
    VALUE = 24,
    NEXT = 28
};

static int width_changed(size_t at, unsigned value)
{
    unsigned char segment[SOUND];
    memcpy(segment, sound, SOUND);
    segment[at] = (unsigned char)value;
    segment[at + 1] = (unsigned char)(value >> 8);
    return width_with(segment, SOUND);
}

static void test_what_makes_no_sense_is_upright(void **state)
{
    (void)state;
    assert_int_equal(width_with(sound, SOUND), 17);
    assert_int_equal(width_changed(VALUE, 3), 19);
    static const unsigned values[] = {0, 9, 255, 256, 0x0600, 0xffff};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_int_equal(width_changed(VALUE, values[i]), 19);
    assert_int_equal(width_changed(TAG, 0x111), 19);
    assert_int_equal(width_changed(TYPE, 2), 19);
    assert_int_equal(width_changed(TYPE, 99), 19);
    assert_int_equal(width_changed(VALUES, 0), 19);
    assert_int_equal(width_changed(COUNT, 0), 19);
    assert_int_equal(width_changed(DIRECTORY, 0xffff), 19);
    assert_int_equal(width_changed(VALUES, 0xffff), 19);
    assert_int_equal(width_changed(NEXT, 8), 17); /* a next directory that is this one */
    assert_int_equal(width_changed(0, 'X'), 19);
}

/* Cut anywhere, any byte changed: the picture is there, turned or not. */
static void test_damage_is_no_error(void **state)
{
    (void)state;
    for (size_t n = 0; n < SOUND; n++) width_with(sound, n);
    assert_int_equal(width_with(sound, VALUE), 19);
    static const unsigned char masks[] = {0x01, 0x10, 0x80, 0xff};
    unsigned char segment[SOUND];
    for (size_t i = 0; i < SOUND; i++)
        for (size_t m = 0; m < sizeof masks; m++) {
            memcpy(segment, sound, SOUND);
            segment[i] ^= masks[m];
            width_with(segment, SOUND);
        }
}

/* A full segment, each of its directories pointing to all others. */
static void test_directories_in_circles(void **state)
{
    (void)state;
    enum { SIZE = 65000 };
    unsigned char *segment = calloc(SIZE, 1);
    memcpy(segment, sound, COUNT);
    static const unsigned char entry[] = {0x69, 0x87, 4, 0, 1, 0, 0, 0, 8, 0, 0, 0}; /* EXIF directory at 8 */
    segment[COUNT] = 0xff, segment[COUNT + 1] = 0x0f;
    for (size_t at = COUNT + 2; at + sizeof entry < SIZE; at += sizeof entry)
        memcpy(segment + at, entry, sizeof entry);
    assert_int_equal(width_with(segment, SIZE), 19);
    free(segment);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    size_t nbytes;
    char *bytes = get_file(fixture("oriented/rgb6.jpg"), &nbytes);
    sg_image image = {0};
    const sg_decode_options options = {.oriented = true};
    assert_survives_allocation_failures(sg_image_decode(&image, bytes, nbytes, &options, &err));
    assert_int_equal(image.width, 10);
    sg_image_clear(&image);
    sg_free(bytes);
}

int main(void)
{
    fixture("");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures_are_turned),
        cmocka_unit_test(test_only_when_asked_for),
        cmocka_unit_test(test_what_makes_no_sense_is_upright),
        cmocka_unit_test(test_damage_is_no_error),
        cmocka_unit_test(test_directories_in_circles),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
