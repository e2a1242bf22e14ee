#include "base/scratch.h"

#include <math.h>
#include <signet/image.h>
#include <signet/random.h>

static sg_image noise(int width, int height, uint64_t seed)
{
    sg_image image;
    sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 0, 0);
    assert_true(sg_image_init(&image, width, height, 1, NULL));
    for (int i = 0; i < width * height; i++) image.pixels[i] = (uint8_t)sg_rng_below(&rng, 256);
    return image;
}

/* By the definition: convolution with [0 1 0; 1 -4 1; 0 1 0], mean, mean of squares about it. */
static double naive(const sg_image *image)
{
    static const int kernel[3][3] = {{0, 1, 0}, {1, -4, 1}, {0, 1, 0}};
    double values[1000], mean = 0, variance = 0;
    int n = 0;
    for (int y = 1; y < image->height - 1; y++)
        for (int x = 1; x < image->width - 1; x++, n++) {
            values[n] = 0;
            for (int dy = -1; dy <= 1; dy++)
                for (int dx = -1; dx <= 1; dx++)
                    values[n] += kernel[dy + 1][dx + 1] * image->pixels[(y + dy) * image->width + x + dx];
        }
    for (int i = 0; i < n; i++) mean += values[i] / n;
    for (int i = 0; i < n; i++) variance += (values[i] - mean) * (values[i] - mean) / n;
    return variance;
}

static void test_against_the_definition(void **state)
{
    (void)state;
    static const int sizes[][2] = {{3, 3}, {4, 3}, {3, 9}, {17, 30}, {31, 29}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        sg_image image = noise(sizes[i][0], sizes[i][1], i);
        double want = naive(&image);
        assert_true(fabs(sg_image_sharpness(&image) - want) <= 1e-9 * (want + 1));
        sg_image_clear(&image);
    }
}

/* Smaller and enlarged again is less sharp; a plain picture has nothing sharp; what is too small or no grey is 0. */
static void test_order(void **state)
{
    (void)state;
    sg_image sharp = noise(60, 40, 1), half, soft, other;
    assert_true(sg_image_resize(&half, &sharp, 30, 20, NULL));
    assert_true(sg_image_resize(&soft, &half, 60, 40, NULL));
    assert_true(sg_image_sharpness(&soft) < sg_image_sharpness(&sharp) / 10);
    sg_image_clear(&half);
    sg_image_clear(&soft);
    sg_image_clear(&sharp);
    assert_true(sg_image_init(&other, 20, 20, 1, NULL));
    assert_true(sg_image_sharpness(&other) == 0);
    sg_image_clear(&other);
    other = noise(2, 50, 1);
    assert_true(sg_image_sharpness(&other) == 0);
    sg_image_clear(&other);
    assert_true(sg_image_init(&other, 20, 20, 3, NULL));
    other.pixels[500] = 255;
    assert_true(sg_image_sharpness(&other) == 0);
    sg_image_clear(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_the_definition),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
