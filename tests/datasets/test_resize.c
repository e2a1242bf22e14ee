#include "datasets/pictures.h"
#include "datasets/resize_impl.h"

#include <math.h>

/* PIL's own results, to the bit. */
static void test_as_pil(void **state)
{
    (void)state;
    size_t nbytes;
    char *list = get_file(fixture("resize/index.txt"), &nbytes), *rest = NULL;
    for (char *line = strtok_r(list, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[64], filter[16], path[128];
        int width, height;
        sg_preprocess pp = {0};
        assert_int_equal(sscanf(line, "%63s %15s %d %d", name, filter, &width, &height), 4);
        assert_true(sg_preprocess_set(&pp, "filter", filter, NULL));
        snprintf(path, sizeof path, "resize/%s", name);
        sg_image expected = get_pnm(fixture(path)), source, out;
        assert_true(sg_image_load(&source, fixture("resize/source.png"),
                                  &(sg_decode_options){.channels = expected.channels}, NULL));
        assert_true(sg_resize_window(&out, &source, pp.filter, width, height, 0, 0, width, height, NULL));
        assert_same_image(&out, &expected, name);
        sg_image_clear(&out);
        sg_image_clear(&source);
        sg_image_clear(&expected);
    }
    sg_free(list);
}

static uint32_t next_random(uint32_t *seed)
{
    return (*seed = *seed * 1664525u + 1013904223u) >> 8;
}

static sg_image noise(int width, int height, int channels, uint32_t *seed)
{
    sg_image image;
    assert_true(sg_image_init(&image, width, height, channels, NULL));
    for (size_t i = 0; i < image_nbytes(&image); i++) image.pixels[i] = (uint8_t)next_random(seed);
    return image;
}

/* The kernels at distance x: a triangle; Keys's cubic (IEEE ASSP 29(6), 1981, eq. 15), whose a is -1/2. */
static double kernel(sg_filter filter, double x)
{
    x = fabs(x);
    if (filter == SG_BILINEAR) return fmax(0, 1 - x);
    if (x < 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
    return x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

/* Weight of input j for output i of an axis, by the definition: the kernel widened by the scale, its sum 1. */
static double weight(sg_filter filter, int i, int j, int size, int resized)
{
    double scale = (double)size / resized, widened = fmax(scale, 1), sum = 0, center = (i + 0.5) * scale;
    for (int k = 0; k < size; k++) sum += kernel(filter, (k + 0.5 - center) / widened);
    return kernel(filter, (j + 0.5 - center) / widened) / sum;
}

static double clip(double value)
{
    return fmin(fmax(value, 0), 255);
}

/* In double and without rounding between the passes: two roundings lie between the two, the first of them weighed by
 * the second pass. Overshoot is cut off after each. */
static void check_against_definition(const sg_image *in, sg_filter filter, int width, int height)
{
    sg_image out;
    assert_true(sg_resize_window(&out, in, filter, width, height, 0, 0, width, height, NULL));
    int c = in->channels;
    double *rows = calloc((size_t)in->height * (size_t)width * (size_t)c, sizeof *rows);
    for (int x = 0; x < width; x++)
        for (int j = 0; j < in->width; j++) {
            double w = weight(filter, x, j, in->width, width);
            for (int y = 0; w != 0 && y < in->height; y++)
                for (int k = 0; k < c; k++)
                    rows[(y * width + x) * c + k] += w * in->pixels[(y * in->width + j) * c + k];
        }
    for (int i = 0; i < in->height * width * c; i++) rows[i] = clip(rows[i]);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width * c; x++) {
            double sum = 0, weights = 0;
            for (int j = 0; j < in->height; j++) {
                double w = weight(filter, y, j, in->height, height);
                sum += w * rows[j * width * c + x];
                weights += fabs(w);
            }
            assert_true(fabs(clip(sum) - out.pixels[y * width * c + x]) <= 0.51 + 0.5 * weights);
        }
    free(rows);
    sg_image_clear(&out);
}

static void test_as_defined(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int i = 0; i < 40; i++) {
        sg_image in = noise(1 + (int)(next_random(&seed) % 40), 1 + (int)(next_random(&seed) % 40),
                            i % 2 ? 3 : 1, &seed);
        check_against_definition(&in, i % 4 < 2 ? SG_BILINEAR : SG_BICUBIC,
                                 1 + (int)(next_random(&seed) % 50), 1 + (int)(next_random(&seed) % 50));
        sg_image_clear(&in);
    }
}

static void test_window(void **state)
{
    (void)state;
    uint32_t seed = 2;
    for (int i = 0; i < 60; i++) {
        sg_image in = noise(1 + (int)(next_random(&seed) % 60), 1 + (int)(next_random(&seed) % 60),
                            i % 2 ? 3 : 1, &seed);
        int width = i % 5 ? 1 + (int)(next_random(&seed) % 60) : in.width;
        int height = i % 3 ? 1 + (int)(next_random(&seed) % 60) : in.height;
        int left = (int)(next_random(&seed) % (uint32_t)width),
            top = (int)(next_random(&seed) % (uint32_t)height);
        int w = 1 + (int)(next_random(&seed) % (uint32_t)(width - left));
        int h = 1 + (int)(next_random(&seed) % (uint32_t)(height - top));
        sg_image whole, expected, out;
        sg_filter filter = i % 4 < 2 ? SG_BILINEAR : SG_BICUBIC;
        assert_true(sg_resize_window(&whole, &in, filter, width, height, 0, 0, width, height, NULL));
        assert_true(sg_image_crop(&expected, &whole, left, top, w, h, NULL));
        assert_true(sg_resize_window(&out, &in, filter, width, height, left, top, w, h, NULL));
        assert_same_image(&out, &expected, "window");
        sg_image_clear(&out);
        sg_image_clear(&expected);
        sg_image_clear(&whole);
        sg_image_clear(&in);
    }
}

/* White stays white and black stays black, however many weights are summed. */
static void test_long_sums(void **state)
{
    (void)state;
    sg_image in, out;
    for (int k = 0; k < 4; k++) {
        sg_filter filter = k < 2 ? SG_BILINEAR : SG_BICUBIC;
        assert_true(sg_image_init(&in, k % 2 ? 60000 : 3, k % 2 ? 3 : 60000, 1, NULL));
        memset(in.pixels, 255, image_nbytes(&in));
        assert_true(sg_resize_window(&out, &in, filter, 2, 2, 0, 0, 2, 2, NULL));
        for (int i = 0; i < 4; i++) assert_int_equal(out.pixels[i], 255);
        sg_image_clear(&out);
        memset(in.pixels, 0, image_nbytes(&in));
        assert_true(sg_resize_window(&out, &in, filter, 2, 2, 0, 0, 2, 2, NULL));
        for (int i = 0; i < 4; i++) assert_int_equal(out.pixels[i], 0);
        sg_image_clear(&out);
        sg_image_clear(&in);
    }
}

static bool resize_once(const sg_image *in, sg_error *err)
{
    sg_image out;
    if (!sg_image_resize(&out, in, 5, 4, err)) {
        assert_null(out.pixels);
        return false;
    }
    sg_image_clear(&out);
    return true;
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    uint32_t seed = 3;
    sg_image in = noise(9, 7, 3, &seed);
    assert_survives_allocation_failures(resize_once(&in, &err));
    sg_image_clear(&in);
}

int main(void)
{
    fixture("");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_pil),          cmocka_unit_test(test_as_defined),
        cmocka_unit_test(test_window),          cmocka_unit_test(test_long_sums),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
