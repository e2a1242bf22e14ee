#include "scratch.h"

#include <fcntl.h>
#include <pty.h>
#include <signet/progress.h>
#include <sys/ioctl.h>

#define LONG 100.0 /* seconds: more than a busy machine takes between two lines here */

/* A terminal of that many columns; *shown is its other end, from which what was written can be read. */
static FILE *terminal(int *shown, unsigned short columns)
{
    int side;
    struct winsize size = {.ws_row = 24, .ws_col = columns};
    assert_int_equal(openpty(shown, &side, NULL, NULL, &size), 0);
    fcntl(*shown, F_SETFL, O_NONBLOCK);
    return fdopen(side, "w");
}

static void assert_shown(int shown, const char *expected)
{
    char text[1000];
    ssize_t n = read(shown, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    assert_string_equal(text, expected);
}

static void test_a_line_on_a_terminal(void **state)
{
    (void)state;
    int shown;
    FILE *out = terminal(&shown, 200);
    sg_progress p;
    sg_progress_init(&p, out, "encode", "images", 303000);
    p.shown += LONG;
    sg_progress_update(&p, 1, NULL); /* too early */
    assert_shown(shown, "");
    p.started -= 3000.0;
    p.shown -= 2 * LONG;
    sg_progress_update(&p, 300000, "loss 0.5");
    assert_shown(shown, "\rencode  300000/303000 images  100/s  0:30 left  loss 0.5\033[K");
    p.shown += LONG;
    sg_progress_update(&p, 300001, NULL); /* too soon */
    assert_shown(shown, "");
    p.started -= 3997000.0;
    p.shown -= 2 * LONG;
    sg_progress_update(&p, 301000, NULL);
    assert_shown(shown, "\rencode  301000/303000 images  0.08/s  7:22:58 left\033[K");
    sg_progress_end(&p);
    assert_shown(shown, "\r\033[K");
    sg_progress_end(&p); /* the line is gone already */
    assert_shown(shown, "");
    fclose(out);
    close(shown);
}

static void test_unknown_total_and_narrow_terminals(void **state)
{
    (void)state;
    int shown;
    FILE *out = terminal(&shown, 12);
    sg_progress p;
    sg_progress_init(&p, out, "caf\xc3\xa9s \xc3\xa9t", "files", 0);
    p.started -= 1000.0;
    p.shown -= 1.0;
    sg_progress_update(&p, 0, "");
    assert_shown(shown, "\rcaf\xc3\xa9s \xc3\xa9t  0\033[K");
    sg_progress_end(&p);
    fclose(out);
    close(shown);
    out = terminal(&shown, 0); /* a terminal that does not know its width */
    sg_progress_init(&p, out, "scan", "files", 0);
    p.started -= 1000.0;
    p.shown -= 1.0;
    sg_progress_update(&p, 50000, NULL);
    assert_shown(shown, "\rscan  50000 files  50/s\033[K");
    fclose(out);
    close(shown);
}

static void test_nothing_elsewhere(void **state)
{
    (void)state;
    char text[100] = "";
    FILE *outs[] = {NULL, tmpfile(), fmemopen(text, sizeof text, "w")};
    for (size_t i = 0; i < 3; i++) {
        sg_progress p;
        sg_progress_init(&p, outs[i], "train", "images", 10);
        p.shown -= 1.0;
        sg_progress_update(&p, 5, NULL);
        sg_progress_end(&p);
        assert_int_equal(p.done, 5);
        if (outs[i]) assert_int_equal(ftell(outs[i]), 0);
        if (outs[i]) fclose(outs[i]);
    }
    assert_string_equal(text, "");
}

static void test_clock(void **state)
{
    (void)state;
    double before = sg_now_seconds();
    usleep(20000);
    double passed = sg_now_seconds() - before;
    assert_true(passed >= 0.02 && passed < 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_on_a_terminal),
        cmocka_unit_test(test_unknown_total_and_narrow_terminals),
        cmocka_unit_test(test_nothing_elsewhere),
        cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
