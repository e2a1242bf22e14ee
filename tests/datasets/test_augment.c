#include "datasets/pictures.h"

#include <math.h>
#include <signet/augment.h>

static sg_image noise(int width, int height, int channels)
{
    sg_image image;
    sg_rng rng = sg_rng_at(1, SG_RNG_TEST, (uint64_t)width, (uint64_t)height);
    assert_true(sg_image_init(&image, width, height, channels, NULL));
    for (size_t i = 0; i < image_nbytes(&image); i++) image.pixels[i] = (uint8_t)sg_rng_below(&rng, 256);
    return image;
}

static sg_augment parsed(const char *const *names, size_t n)
{
    sg_augment augment = {0};
    sg_error err = {0};
    if (!sg_augment_parse(&augment, names, n, &err)) fail_msg("%s", err.message);
    return augment;
}

static sg_augment parsed_one(const char *name)
{
    return parsed(&name, 1);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *names[2];
        size_t n;
        sg_augment is;
        const char *name;
    } cases[] = {
        {{0}, 0, {SG_CROP_CENTRE, 0, 0, false}, "none"},
        {{"none"}, 1, {SG_CROP_CENTRE, 0, 0, false}, "none"},
        {{"flip"}, 1, {SG_CROP_CENTRE, 0, 0, true}, "flip"},
        {{"crop"}, 1, {SG_CROP_RANDOM, 4, 0, false}, "crop"},
        {{"flip", "crop"}, 2, {SG_CROP_RANDOM, 4, 0, true}, "crop,flip"},
        {{"resized-crop", "resized-crop"}, 2, {SG_CROP_RESIZED, 0, 0.08, false}, "resized-crop"},
        {{"resized-crop", "flip"}, 2, {SG_CROP_RESIZED, 0, 0.08, true}, "resized-crop,flip"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_augment a = parsed(cases[i].names, cases[i].n);
        assert_int_equal(a.crop, cases[i].is.crop);
        assert_int_equal(a.padding, cases[i].is.padding);
        assert_true(a.scale == cases[i].is.scale);
        assert_int_equal(a.flip, cases[i].is.flip);
        assert_string_equal(sg_augment_name(&a), cases[i].name);
    }
    static const struct {
        const char *names[2];
        size_t n;
        const char *text;
    } bad[] = {{{"mirror"}, 1, "\"mirror\" is not none, flip, crop or resized-crop"},
               {{""}, 1, "\"\" is not none"},
               {{"crop", "resized-crop"}, 2, "an image is cropped in one way"},
               {{"flip", "none"}, 2, "none stands alone"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sg_augment a = {0};
        sg_error err = {0};
        assert_false(sg_augment_parse(&a, bad[i].names, bad[i].n, &err));
        assert_message(err, SG_ERR_USAGE, bad[i].text);
    }
}

/* A part brought to the network's size, as a resized crop does it, against torchvision on PIL images. */
static void test_parts(void **state)
{
    (void)state;
    size_t nbytes;
    sg_image picture = get_pnm(fixture("augment/picture.ppm"));
    char *text = get_file(fixture("augment/parts.txt"), &nbytes), *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[64], filter[16], path[128];
        int left, top, w, h, width, height;
        assert_int_equal(
            sscanf(line, "%63s %15s %d %d %d %d %d %d", name, filter, &left, &top, &w, &h, &width, &height),
            8);
        snprintf(path, sizeof path, "augment/%s", name);
        sg_image want = get_pnm(fixture(path)), part, got;
        sg_preprocess pp = {.channels = 3, .width = width, .height = height};
        assert_true(sg_preprocess_set(&pp, "filter", filter, NULL));
        assert_true(sg_image_crop(&part, &picture, left, top, w, h, NULL));
        assert_true(sg_preprocess_image(&got, &part, &pp, NULL));
        for (size_t i = 0; i < image_nbytes(&want); i++)
            if (abs(got.pixels[i] - want.pixels[i]) > 1)
                fail_msg("%s: byte %zu is %u, not %u", name, i, got.pixels[i], want.pixels[i]);
        sg_image_clear(&got);
        sg_image_clear(&part);
        sg_image_clear(&want);
    }
    sg_free(text);
    sg_image_clear(&picture);
}

enum { DRAWS = 20000, FIXTURE_DRAWS = 40000, NSTATISTICS = 4 };

/* The parts of many draws against those of torchvision, by mean and deviation of size, ratio and place. */
static void check_boxes(int width, int height, double scale, const double *mean, const double *deviation)
{
    double sum[NSTATISTICS] = {0}, squares[NSTATISTICS] = {0};
    for (int i = 0; i < DRAWS; i++) {
        sg_rng rng = sg_rng_at(2, SG_RNG_TEST, (uint64_t)width, (uint64_t)i);
        sg_box b = sg_augment_box(&rng, width, height, scale);
        assert_true(b.left >= 0 && b.top >= 0 && b.width >= 1 && b.height >= 1);
        assert_true(b.left + b.width <= width && b.top + b.height <= height);
        double v[NSTATISTICS] = {(double)b.width * b.height / ((double)width * height),
                                 log((double)b.width / b.height),
                                 b.width < width ? (double)b.left / (width - b.width) : 0.5,
                                 b.height < height ? (double)b.top / (height - b.height) : 0.5};
        for (int k = 0; k < NSTATISTICS; k++) {
            sum[k] += v[k];
            squares[k] += v[k] * v[k];
        }
    }
    for (int k = 0; k < NSTATISTICS; k++) {
        double m = sum[k] / DRAWS, d = sqrt(fmax(0, squares[k] / DRAWS - m * m));
        double far = 5 * deviation[k] * sqrt(1.0 / DRAWS + 1.0 / FIXTURE_DRAWS) + 2e-6;
        if (fabs(m - mean[k]) > far || fabs(d - deviation[k]) > 0.03 * deviation[k] + 2e-6)
            fail_msg("%d x %d, %g: statistic %d is %g (%g), not %g (%g)", width, height, scale, k, m, d,
                     mean[k], deviation[k]);
    }
}

static void test_boxes(void **state)
{
    (void)state;
    size_t nbytes;
    char *text = get_file(fixture("augment/boxes.txt"), &nbytes), *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        int width, height;
        double scale, m[NSTATISTICS], d[NSTATISTICS];
        assert_int_equal(sscanf(line, "%d %d %lf %lf %lf %lf %lf %lf %lf %lf %lf", &width, &height, &scale,
                                &m[0], &d[0], &m[1], &d[1], &m[2], &d[2], &m[3], &d[3]),
                         11);
        check_boxes(width, height, scale, m, d);
    }
    sg_free(text);
    sg_rng rng = sg_rng_at(0, SG_RNG_TEST, 0, 0);
    sg_box b = sg_augment_box(&rng, 1, 1, 0.08);
    assert_true(b.left == 0 && b.top == 0 && b.width == 1 && b.height == 1);
}

/* The whole image and the padding laid out by hand: each place comes, about as often as any other. */
static void check_random_crop(const sg_image *in, const sg_preprocess *pp, int width, int height, int padding)
{
    sg_preprocess whole = {.channels = pp->channels, .width = width, .height = height};
    sg_image resized, padded, crop;
    int across = width + 2 * padding - pp->width + 1, down = height + 2 * padding - pp->height + 1;
    size_t nplaces = (size_t)(across * down), row = (size_t)(width * pp->channels);
    size_t nbytes = (size_t)(pp->width * pp->height * pp->channels);
    uint8_t *planes = malloc(nplaces * nbytes), *got = malloc(nbytes);
    int *counts = calloc(nplaces, sizeof *counts);
    assert_true(sg_preprocess_image(&resized, in, &whole, NULL));
    assert_true(sg_image_init(&padded, width + 2 * padding, height + 2 * padding, pp->channels, NULL));
    for (int y = 0; y < height; y++)
        memcpy(padded.pixels + ((y + padding) * padded.width + padding) * pp->channels,
               resized.pixels + (size_t)y * row, row);
    for (int i = 0; i < across * down; i++) {
        assert_true(sg_image_crop(&crop, &padded, i % across, i / across, pp->width, pp->height, NULL));
        sg_image_to_planar(planes + (size_t)i * nbytes, &crop);
        sg_image_clear(&crop);
    }
    sg_augment augment = parsed_one("crop");
    augment.padding = padding;
    for (int draw = 0; draw < 100 * (int)nplaces; draw++) {
        sg_rng rng = sg_rng_at(3, SG_RNG_TEST, 0, (uint64_t)draw);
        assert_true(sg_augment_planar(got, in, pp, &augment, &rng, NULL));
        size_t place = 0;
        while (place < nplaces && memcmp(got, planes + place * nbytes, nbytes) != 0) place++;
        assert_true(place < nplaces);
        counts[place]++;
    }
    for (size_t i = 0; i < nplaces; i++) assert_in_range(counts[i], 55, 145);
    free(counts);
    free(got);
    free(planes);
    sg_image_clear(&padded);
    sg_image_clear(&resized);
}

static void test_random_crop(void **state)
{
    (void)state;
    sg_image rgb = noise(15, 11, 3), grey = noise(8, 8, 1);
    check_random_crop(&rgb, &(sg_preprocess){.channels = 3, .width = 7, .height = 8, .resize = 9}, 12, 9, 2);
    check_random_crop(&rgb, &(sg_preprocess){.channels = 1, .width = 7, .height = 8, .resize = 9}, 12, 9, 0);
    check_random_crop(&grey, &(sg_preprocess){.channels = 1, .width = 8, .height = 8, .resize = 8}, 8, 8, 4);
    check_random_crop(&rgb, &(sg_preprocess){.channels = 3, .width = 5, .height = 6}, 5, 6, 1);
    /* Padding so wide that nothing may be seen. */
    sg_augment augment = {.crop = SG_CROP_RANDOM, .padding = 4096};
    sg_rng rng = sg_rng_at(0, SG_RNG_TEST, 0, 0);
    uint8_t got[64];
    assert_true(sg_augment_planar(got, &grey, &(sg_preprocess){.channels = 1, .width = 8, .height = 8},
                                  &augment, &rng, NULL));
    for (int i = 0; i < 64; i++) assert_int_equal(got[i], 0);
    sg_error err = {0};
    sg_preprocess large = {.channels = 3, .width = 30, .height = 30, .resize = 20};
    assert_false(sg_augment_planar(got, &rgb, &large, &augment, &rng, &err));
    assert_message(err, SG_ERR_MISMATCH, "does not fit");
    sg_image_clear(&grey);
    sg_image_clear(&rgb);
}

static void test_flip(void **state)
{
    (void)state;
    sg_image image = noise(9, 6, 3);
    sg_preprocess pp = {.channels = 3, .width = 7, .height = 5, .resize = 5};
    sg_augment augment = parsed_one("flip");
    uint8_t plain[105], mirrored[105], got[105];
    assert_true(sg_preprocess_planar(plain, &image, &pp, NULL));
    for (int row = 0; row < 15; row++)
        for (int x = 0; x < 7; x++) mirrored[row * 7 + x] = plain[row * 7 + 6 - x];
    int flips = 0;
    for (int draw = 0; draw < 1000; draw++) {
        sg_rng rng = sg_rng_at(4, SG_RNG_TEST, 0, (uint64_t)draw);
        assert_true(sg_augment_planar(got, &image, &pp, &augment, &rng, NULL));
        bool flipped = memcmp(got, mirrored, sizeof got) == 0;
        assert_true(flipped || memcmp(got, plain, sizeof got) == 0);
        flips += flipped;
    }
    assert_in_range(flips, 420, 580);
    sg_image_clear(&image);
}

/* The part by the same generator, cropped and resized by hand. */
static void test_resized_crop(void **state)
{
    (void)state;
    sg_image image = noise(40, 30, 3);
    sg_preprocess pp = {.channels = 3, .width = 12, .height = 12, .resize = 13}, straight = pp;
    straight.resize = 0;
    uint8_t got[432], want[432];
    sg_augment augment = parsed_one("resized-crop");
    for (int draw = 0; draw < 50; draw++) {
        sg_rng rng = sg_rng_at(5, SG_RNG_TEST, 0, (uint64_t)draw), same = rng;
        sg_box b = sg_augment_box(&same, 40, 30, 0.08);
        sg_image part;
        assert_true(sg_image_crop(&part, &image, b.left, b.top, b.width, b.height, NULL));
        assert_true(sg_preprocess_planar(want, &part, &straight, NULL));
        assert_true(sg_augment_planar(got, &image, &pp, &augment, &rng, NULL));
        assert_memory_equal(got, want, sizeof got);
        sg_image_clear(&part);
    }
    assert_int_equal(sg_augment_decode(&augment, &pp).shorter_min, 0);
    sg_image_clear(&image);
}

static bool augment_once(const sg_image *image, const char *name, sg_error *err)
{
    uint8_t got[432];
    sg_preprocess pp = {.channels = 1, .width = 12, .height = 12, .resize = 12};
    sg_augment augment = parsed_one(name);
    sg_rng rng = sg_rng_at(0, SG_RNG_TEST, 0, 0);
    return sg_augment_planar(got, image, &pp, &augment, &rng, err);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    sg_image image = noise(20, 20, 3);
    assert_survives_allocation_failures(augment_once(&image, "crop", &err));
    assert_survives_allocation_failures(augment_once(&image, "resized-crop", &err));
    sg_image_clear(&image);
}

int main(void)
{
    fixture("");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_boxes),
        cmocka_unit_test(test_random_crop),
        cmocka_unit_test(test_flip),
        cmocka_unit_test(test_resized_crop),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
