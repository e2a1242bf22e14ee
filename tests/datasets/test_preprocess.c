#include "datasets/pictures.h"

#include <signet/preprocess.h>

static sg_image get_source(const char *side)
{
    sg_image image;
    assert_true(sg_image_load(&image, fixture("resize/source.png"), NULL, NULL));
    if (strcmp(side, "upright") != 0) return image;
    sg_image turned; /* as PIL's ROTATE_90: against the clock */
    assert_true(sg_image_init(&turned, image.height, image.width, 3, NULL));
    for (int y = 0; y < turned.height; y++)
        for (int x = 0; x < turned.width; x++)
            memcpy(turned.pixels + 3 * (y * turned.width + x),
                   image.pixels + 3 * (x * image.width + image.width - 1 - y), 3);
    sg_image_clear(&image);
    return turned;
}

/* torchvision's Resize and CenterCrop, to the bit; and the same as planar pixels. */
static void test_as_torchvision(void **state)
{
    (void)state;
    size_t nbytes;
    char *list = get_file(fixture("resize/crops.txt"), &nbytes), *rest = NULL;
    for (char *line = strtok_r(list, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[64], filter[16], side[16], path[128];
        sg_preprocess pp = {.channels = 3};
        assert_int_equal(
            sscanf(line, "%63s %15s %15s %d %d %d", name, filter, side, &pp.resize, &pp.width, &pp.height),
            6);
        assert_true(sg_preprocess_set(&pp, "filter", filter, NULL));
        snprintf(path, sizeof path, "resize/%s", name);
        sg_image expected = get_pnm(fixture(path)), source = get_source(side), out;
        sg_error err = {0};
        if (!sg_preprocess_image(&out, &source, &pp, &err)) fail_msg("%s: %s", name, err.message);
        assert_same_image(&out, &expected, name);
        sg_image_clear(&out);

        uint8_t planar[3 * 32 * 32];
        assert_true(sg_preprocess_planar(planar, &source, &pp, &err));
        assert_true(sg_image_from_planar(&out, planar, 3, pp.height, pp.width, &err));
        assert_same_image(&out, &expected, name);
        sg_image_clear(&out);
        sg_image_clear(&source);
        sg_image_clear(&expected);
    }
    sg_free(list);
}

/* What decoding is asked for: no side of the network's input may be short of pixels. */
static void test_decode(void **state)
{
    (void)state;
    sg_preprocess pp = {.channels = 3, .width = 30, .height = 20, .max_pixels = 77};
    sg_decode_options o = sg_preprocess_decode(&pp);
    assert_int_equal(o.channels, 3);
    assert_int_equal(o.max_pixels, 77);
    assert_false(o.oriented);
    assert_int_equal(o.shorter_min, 0);
    pp.scaled = pp.oriented = true;
    o = sg_preprocess_decode(&pp);
    assert_true(o.oriented);
    assert_int_equal(o.shorter_min, 30);
    pp.resize = 40;
    assert_int_equal(sg_preprocess_decode(&pp).shorter_min, 40);
}

static void test_texts(void **state)
{
    (void)state;
    size_t n;
    const char *const *keys = sg_preprocess_keys(&n);
    const char *const texts[][3] = {
        {"decode", "exact", "scaled"}, {"filter", "bilinear", "bicubic"}, {"orientation", "stored", "exif"}};
    assert_int_equal(n, 3);
    sg_preprocess pp = {0};
    sg_error err = {0};
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(keys[i], texts[i][0]);
        assert_string_equal(sg_preprocess_get(&pp, keys[i]), texts[i][1]);
        assert_true(sg_preprocess_set(&pp, keys[i], texts[i][2], &err));
        assert_string_equal(sg_preprocess_get(&pp, keys[i]), texts[i][2]);
        assert_false(sg_preprocess_set(&pp, keys[i], "full", &err));
        assert_message(err, SG_ERR_USAGE, texts[i][0]);
        assert_message(err, SG_ERR_USAGE, texts[i][1]);
        assert_message(err, SG_ERR_USAGE, "\"full\"");
    }
    assert_true(pp.scaled && pp.oriented && pp.filter == SG_BICUBIC);
    assert_true(sg_preprocess_set(&pp, "decode", "exact", &err));
    assert_false(pp.scaled);
}

static void test_nothing_to_do(void **state)
{
    (void)state;
    sg_image image, out;
    assert_true(sg_image_init(&image, 4, 3, 1, NULL));
    for (int i = 0; i < 12; i++) image.pixels[i] = (uint8_t)(20 * i);
    sg_preprocess pp = {.channels = 1, .width = 4, .height = 3};
    uint8_t planar[12];
    uint64_t before = sg_mem_count();
    assert_true(sg_preprocess_planar(planar, &image, &pp, NULL));
    assert_int_equal(sg_mem_count(), before);
    assert_memory_equal(planar, image.pixels, 12);
    pp.resize = 3;
    assert_true(sg_preprocess_planar(planar, &image, &pp, NULL));
    assert_int_equal(sg_mem_count(), before);
    assert_true(sg_preprocess_image(&out, &image, &pp, NULL));
    assert_same_image(&out, &image, "identity");
    sg_image_clear(&out);
    sg_image_clear(&image);
}

static void test_channels(void **state)
{
    (void)state;
    sg_image image, out;
    assert_true(sg_image_init(&image, 2, 1, 3, NULL));
    memcpy(image.pixels, (uint8_t[]){255, 0, 0, 0, 0, 255}, 6);
    assert_true(sg_preprocess_image(
        &out, &image, &(sg_preprocess){.channels = 1, .width = 2, .height = 1, .resize = 0}, NULL));
    assert_int_equal(out.channels, 1);
    assert_int_equal(out.pixels[0], 76); /* PIL's L of pure red and blue */
    assert_int_equal(out.pixels[1], 29);
    sg_image grey = out;
    assert_true(sg_preprocess_image(
        &out, &grey, &(sg_preprocess){.channels = 3, .width = 2, .height = 1, .resize = 0}, NULL));
    assert_memory_equal(out.pixels, ((uint8_t[]){76, 76, 76, 29, 29, 29}), 6);
    sg_image_clear(&out);
    sg_image_clear(&grey);
    sg_image_clear(&image);
}

static void test_errors(void **state)
{
    (void)state;
    sg_image image, out;
    sg_error err = {0};
    assert_true(sg_image_init(&image, 60000, 1, 1, NULL));
    assert_false(sg_preprocess_image(
        &out, &image, &(sg_preprocess){.channels = 1, .width = 32, .height = 33, .resize = 32}, &err));
    assert_message(err, SG_ERR_MISMATCH, "crop of 32 x 33 does not fit");
    assert_false(sg_preprocess_image(
        &out, &image, &(sg_preprocess){.channels = 1, .width = 32, .height = 32, .resize = 256}, &err));
    assert_message(err, SG_ERR_LIMIT, "15360000 x 256");
    assert_null(out.pixels);
    sg_image_clear(&image);
}

static void test_planar(void **state)
{
    (void)state;
    sg_image image, back;
    assert_true(sg_image_init(&image, 2, 2, 3, NULL));
    for (int i = 0; i < 12; i++) image.pixels[i] = (uint8_t)i;
    uint8_t planar[12];
    sg_image_to_planar(planar, &image);
    assert_memory_equal(planar, ((uint8_t[]){0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11}), 12);
    assert_true(sg_image_from_planar(&back, planar, 3, 2, 2, NULL));
    assert_same_image(&back, &image, "planar");
    sg_image_clear(&back);
    sg_image_clear(&image);
    assert_true(sg_image_from_planar(&image, planar, 1, 3, 4, NULL));
    assert_int_equal(image.width, 4);
    assert_memory_equal(image.pixels, planar, 12);
    sg_image_clear(&image);
    uint8_t all[256];
    float floats[256];
    for (int i = 0; i < 256; i++) all[i] = (uint8_t)i;
    sg_pixels_to_float(floats, all, 256);
    for (int i = 0; i < 256; i++) assert_true(floats[i] == (float)i / 255.0f);
}

static bool preprocess_once(const sg_image *image, sg_error *err)
{
    uint8_t planar[4 * 4];
    return sg_preprocess_planar(planar, image,
                                &(sg_preprocess){.channels = 1, .width = 4, .height = 4, .resize = 5}, err);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    sg_image image = get_source("source");
    assert_survives_allocation_failures(preprocess_once(&image, &err));
    sg_image_clear(&image);
}

int main(void)
{
    fixture("");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_torchvision), cmocka_unit_test(test_decode),
        cmocka_unit_test(test_texts),          cmocka_unit_test(test_nothing_to_do),
        cmocka_unit_test(test_channels),       cmocka_unit_test(test_errors),
        cmocka_unit_test(test_planar),         cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
