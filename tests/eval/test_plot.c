/* Curves by gnuplot: an <svg> that can stand in a page. */
#include "base/scratch.h"

#include "eval/plot_impl.h"
#include <math.h>
#include <sys/stat.h>

static const double x[] = {0, 2, 8}, y[] = {0.9, 0.5, 0.1}, low[] = {0.85, 0.45, 0.05},
                    high[] = {0.95, 0.6, 0.2};
static const sg_series series[] = {{"#0072b2", false, 3, x, y, low, high},
                                   {"#d55e00", true, 3, x, low, y, y}};
static const sg_plot plot = {"eps", "mAP", 0.1, x, 3, series, 2};

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)); text++) n++;
    return n;
}

static void test_svg(void **state)
{
    (void)state;
    sg_buf svg = SG_BUF_INIT;
    sg_error err = {0};
    if (!sg_plot_svg(&svg, &plot, "p0-", &err)) fail_msg("%s", err.message);
    const char *text = sg_buf_text(&svg);
    assert_memory_equal(text, "<svg", 4);
    assert_int_equal(count(text, "<svg"), 1);
    assert_int_equal(count(text, "</svg>"), 1);
    assert_null(strstr(text, "http"));
    assert_null(strstr(text, "xmlns"));
    assert_non_null(strstr(text, "rgb(  0, 114, 178)"));
    assert_non_null(strstr(text, "stroke-dasharray"));
    assert_int_equal(count(text, " id=") + count(text, "href="), count(text, "p0-"));
    assert_int_equal(count(text, "'#"), count(text, "'#p0-"));
    sg_buf_clear(&svg);
}

/* The points of the first curve stand where the axes say: equal steps of y are equal steps of the picture. */
static void test_coordinates(void **state)
{
    (void)state;
    sg_buf svg = SG_BUF_INIT;
    double px[3], py[3];
    assert_true(sg_plot_svg(&svg, &plot, "", NULL));
    const char *at = strstr(sg_buf_text(&svg), "<use href='#gpPt6'");
    for (int i = 0; i < 3; i++) {
        assert_non_null(at);
        assert_int_equal(sscanf(strstr(at, "translate("), "translate(%lf,%lf)", &px[i], &py[i]), 2);
        at = strstr(at + 1, "<use href='#gpPt6'");
    }
    assert_true(fabs((px[1] - px[0]) / (px[2] - px[0]) - 2.0 / 8) < 1e-3);
    assert_true(fabs((py[1] - py[0]) / (py[2] - py[0]) - 0.4 / 0.8) < 1e-3);
    sg_buf_clear(&svg);
}

static void test_many_points(void **state)
{
    (void)state;
    enum { N = 4000 }; /* a script larger than a pipe takes at once */
    double *values = malloc(N * sizeof *values);
    for (size_t i = 0; i < N; i++) values[i] = (double)i / N;
    const sg_series large = {"#0072b2", false, N, values, values, values, values};
    const double ticks[] = {0, 1};
    const sg_plot wide = {"x", "y", 0.5, ticks, 2, &large, 1};
    sg_buf svg = SG_BUF_INIT;
    assert_true(sg_plot_svg(&svg, &wide, "", NULL));
    assert_true(count(sg_buf_text(&svg), "<use href='#gpPt6'") >= N);
    sg_buf_clear(&svg);
    free(values);
}

static void test_absent(void **state)
{
    (void)state;
    sg_error err = {0};
    char *path = strdup(getenv("PATH"));
    setenv("PATH", "/nowhere", 1);
    assert_false(sg_plot_check(&err));
    setenv("PATH", path, 1);
    assert_int_equal(err.code, SG_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "gnuplot is not installed"));
    assert_true(sg_plot_check(&err));
    free(path);
}

/* A gnuplot that fails says why. */
static void test_failure(void **state)
{
    (void)state;
    static const char fake[] = "#!/bin/sh\necho out of ink >&2\nexit 3\n", mute[] = "#!/bin/sh\nexit 0\n";
    char folder[4096], *path = strdup(getenv("PATH"));
    sg_buf svg = SG_BUF_INIT;
    sg_error err = {0};
    scratch_put("gnuplot", fake, sizeof fake - 1);
    assert_int_equal(chmod("gnuplot", 0755), 0);
    assert_non_null(getcwd(folder, sizeof folder));
    setenv("PATH", folder, 1);
    assert_false(sg_plot_svg(&svg, &plot, "", &err));
    assert_non_null(strstr(err.message, "out of ink"));
    scratch_put("gnuplot", mute, sizeof mute - 1);
    assert_false(sg_plot_svg(&svg, &plot, "", &err));
    assert_int_equal(err.code, SG_ERR_FORMAT);
    setenv("PATH", path, 1);
    sg_buf_clear(&svg);
    free(path);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    sg_mem_fail_at(1);
    sg_buf svg = SG_BUF_INIT;
    sg_error err = {0};
    assert_false(sg_plot_svg(&svg, &plot, "", &err));
    sg_mem_fail_at(0);
    assert_int_equal(err.code, SG_ERR_MEMORY);
    sg_buf_clear(&svg);
}

int main(void)
{
    if (!sg_plot_check(NULL)) {
        puts("skipped: gnuplot is not installed");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_svg),         cmocka_unit_test(test_coordinates),
        cmocka_unit_test(test_many_points), cmocka_unit_test(test_absent),
        scratch_test(test_failure),         cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
