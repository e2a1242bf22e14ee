/* The 8-bit ball: radius, steps, starts, moves; the measures. */
#include "attacks/attack_impl.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static void radius_and_step_are_on_the_grid(void **unused)
{
    (void)unused;
    for (int e = 0; e <= 255; e++) {
        assert_int_equal(sg_ball_radius(e / 255.0), e);
        assert_int_equal(sg_ball_radius((float)e / 255.0f), e);
        for (int t = 1; t <= 1000; t = t * 3 / 2 + 1) { /* ceil(5 e / 2 t) in whole numbers */
            assert_int_equal(sg_ball_step(e / 255.0, t), (5 * e + 2 * t - 1) / (2 * t));
            assert_int_equal(sg_ball_step((float)e / 255.0f, t), (5 * e + 2 * t - 1) / (2 * t));
        }
    }
    assert_int_equal(sg_ball_radius(0.032), 8); /* 8.16: toward x */
    assert_int_equal(sg_ball_radius(0.0039), 0);
    assert_int_equal(sg_ball_step(8 / 255.0, 100), 1);
    assert_int_equal(sg_ball_step(8 / 255.0, 10), 2);
}

static void alpha_has_ten_equal_parts(void **unused)
{
    (void)unused;
    static const double parts[] = {.1, .1, .1, .1, .1, .2, .3, .5, .7, 1};
    static const int lengths[] = {10, 20, 100, 2000};
    for (size_t i = 0; i < 4; i++)
        for (int t = 0; t < lengths[i]; t++)
            assert_true(sg_alpha_at(t, lengths[i]) == parts[t / (lengths[i] / 10)]);
    assert_true(sg_alpha_at(0, 1) == .1);
    assert_true(sg_alpha_at(2, 3) == .3); /* part 6 */
}

static void every_pixel_and_sign(void **unused)
{
    (void)unused;
    /* Every clean value with every present value in the ball, moved by each kind of gradient. */
    const float gradients[] = {1e-30f, -3, 0, -0.0f, NAN, INFINITY, -INFINITY};
    const int signs[] = {1, -1, 0, 0, 0, 1, -1};
    const int eps = 5, eta = 3;
    for (int clean = 0; clean < 256; clean++)
        for (int now = clean - eps; now <= clean + eps; now++)
            for (size_t g = 0; g < 7; g++) {
                if (now < 0 || now > 255) continue;
                uint8_t center = (uint8_t)clean, x = (uint8_t)now;
                sg_ball ball = {.center = &center, .size = 1, .eps = eps, .eta = eta};
                sg_ball_move_sign(&x, &gradients[g], &ball, 1);
                int expected = now - eta * signs[g];
                expected = expected > clean + eps   ? clean + eps
                           : expected < clean - eps ? clean - eps
                                                    : expected;
                expected = expected > 255 ? 255 : expected < 0 ? 0 : expected;
                assert_int_equal(x, expected);
            }
}

static void random_images_fill_the_ball(void **unused)
{
    (void)unused;
    enum { N = 30000 };
    static uint8_t clean[N], x[N], again[N], other[N];
    for (size_t i = 0; i < N; i++) clean[i] = (uint8_t)(i % 256);
    sg_ball ball = {.center = clean, .size = N, .eps = 4, .seed = 7, .key = 99};
    sg_ball_start_random(x, &ball);
    sg_ball_start_random(again, &ball);
    assert_memory_equal(x, again, N);
    ball.key = 100;
    sg_ball_start_random(other, &ball);
    assert_true(memcmp(x, other, N) != 0);
    int counts[9] = {0}, inner = 0;
    for (size_t i = 0; i < N; i++) {
        int d = x[i] - clean[i];
        assert_true(abs(d) <= 4);
        if (clean[i] < 4 || clean[i] > 251) continue;
        counts[d + 4]++;
        inner++;
    }
    for (size_t i = 0; i < 9; i++) assert_true(abs(counts[i] - inner / 9) < 5 * sqrt(inner / 9.0));

    sg_attack_noise.move(x, NULL, &ball, 2); /* corners */
    int up = 0;
    for (size_t i = 0; i < N; i++) {
        int d = x[i] - clean[i];
        assert_true(abs(d) == 4 || (abs(d) < 4 && (x[i] == 0 || x[i] == 255)));
        up += d > 0;
    }
    assert_true(abs(up - N / 2) < 5 * sqrt(N) / 2);
    sg_attack_noise.move(other, NULL, &ball, 1); /* uniform, and not the start of pgd's second image */
    sg_attack_noise.move(again, NULL, &ball, 3);
    assert_true(memcmp(other, again, N) != 0);
}

static void no_room_means_no_change(void **unused)
{
    (void)unused;
    uint8_t clean[4] = {0, 255, 7, 100}, x[4];
    sg_ball ball = {.center = clean, .size = 4};
    sg_ball_start_random(x, &ball);
    assert_memory_equal(x, clean, 4);
    sg_ball_start_center(x, &ball);
    assert_memory_equal(x, clean, 4);
}

static void measures(void **unused)
{
    (void)unused;
    uint8_t clean[4] = {0, 255, 10, 20}, changed[4] = {3, 255, 6, 20};
    sg_attack_result r = {0};
    sg_attack_measure(&r, clean, changed, 4);
    assert_near(r.linf, 4 / 255.0, 1e-12);
    assert_near(r.l2, 5 / 255.0, 1e-12);
    assert_near(r.psnr, -10 * log10((3 / 255.0 * 3 / 255.0 + 4 / 255.0 * 4 / 255.0) / 4), 1e-9);
    sg_attack_measure(&r, clean, clean, 4);
    assert_true(r.linf == 0 && r.l2 == 0 && isinf(r.psnr));
}

static void registry(void **unused)
{
    (void)unused;
    size_t n;
    const char *const *names = sg_attack_names(&n);
    assert_true(n >= 5);
    for (size_t i = 0; i < n; i++) {
        const sg_attack *attack = sg_attack_find(names[i], NULL);
        sg_attack_options options;
        assert_non_null(attack);
        assert_string_equal(attack->name, names[i]);
        assert_true(sg_attack_defaults(&options, names[i], NULL));
        assert_string_equal(options.name, names[i]);
        assert_near(options.eps, 8 / 255.0, 1e-12);
        assert_int_equal(options.iterations, strcmp(names[i], "fgsm") == 0 ? 1 : 100);
        assert_true(options.alpha == 0 && options.gradient == SG_GRADIENT_EXACT);
        assert_int_equal(sg_attack_needs_labels(names[i]), strcmp(names[i], "sdha") == 0);
    }
    sg_error err;
    sg_attack_options options;
    assert_false(sg_attack_defaults(&options, "hagg", &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    assert_string_equal(err.message, "unknown attack 'hagg' (there are hag, sdha, fgsm, pgd, noise)");
    assert_false(sg_attack_needs_labels("hagg"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(radius_and_step_are_on_the_grid),
        cmocka_unit_test(alpha_has_ten_equal_parts),
        cmocka_unit_test(every_pixel_and_sign),
        cmocka_unit_test(random_images_fill_the_ball),
        cmocka_unit_test(no_room_means_no_change),
        cmocka_unit_test(measures),
        cmocka_unit_test(registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
