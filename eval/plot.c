#include "plot_impl.h"

#include <errno.h>
#include <signet/interrupt.h>
#include <signet/kv.h>
#include <signet/mem.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ; /* gnuplot's, as ours */

/* gnuplot's three streams are files in memory: no pipe can fill up or break. */
enum { SCRIPT, OUTPUT, COMPLAINTS, NSTREAMS };

static bool write_all(int fd, const char *text, sg_error *err)
{
    for (size_t left = strlen(text); left > 0;) {
        ssize_t n = write(fd, text, left);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sg_fail_errno(err, errno, "gnuplot's script");
        text += n;
        left -= (size_t)n;
    }
    return lseek(fd, 0, SEEK_SET) == 0 || sg_fail_errno(err, errno, "gnuplot's script");
}

static bool read_all(sg_buf *text, int fd, sg_error *err)
{
    char part[4096];
    if (lseek(fd, 0, SEEK_SET) < 0) return sg_fail_errno(err, errno, "gnuplot's output");
    for (;;) {
        ssize_t n = read(fd, part, sizeof part);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sg_fail_errno(err, errno, "gnuplot's output");
        if (n == 0) break;
        sg_buf_put(text, part, (size_t)n);
    }
    return sg_buf_ok(text) || sg_fail_memory(err, "gnuplot's output");
}

/* Runs it on the streams; *status as waitpid gives it. */
static bool spawn(int *status, const int fd[NSTREAMS], sg_error *err)
{
    char *argv[] = {"gnuplot", "--default-settings", NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed) return sg_fail_errno(err, failed, "gnuplot");
    for (int i = 0; i < NSTREAMS && !failed; i++)
        failed = posix_spawn_file_actions_adddup2(&actions, fd[i], i);
    if (!failed) failed = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed == ENOENT)
        return sg_fail(err, SG_ERR_NOT_FOUND, "gnuplot is not installed: it draws the curves of the report");
    if (failed) return sg_fail_errno(err, failed, "gnuplot");
    while (waitpid(pid, status, 0) < 0)
        if (errno != EINTR) return sg_fail_errno(err, errno, "gnuplot");
    return true;
}

static bool run(sg_buf *output, const char *script, sg_error *err)
{
    int fd[NSTREAMS] = {-1, -1, -1}, status;
    sg_buf complaints = SG_BUF_INIT;
    bool ok = true;
    for (int i = 0; i < NSTREAMS && ok; i++) {
        fd[i] = memfd_create("gnuplot", MFD_CLOEXEC);
        ok = fd[i] >= 0 || sg_fail_errno(err, errno, "gnuplot's streams");
    }
    ok = ok && write_all(fd[SCRIPT], script, err) && spawn(&status, fd, err) &&
         read_all(output, fd[OUTPUT], err) && read_all(&complaints, fd[COMPLAINTS], err);
    if (ok && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) /* ctrl-C ends it too */
        ok = sg_interrupt_check(err) &&
             sg_fail(err, SG_ERR_IO, "gnuplot failed: %s", sg_buf_text(&complaints));
    for (int i = 0; i < NSTREAMS; i++)
        if (fd[i] >= 0) close(fd[i]);
    sg_buf_clear(&complaints);
    return ok;
}

bool sg_plot_check(sg_error *err)
{
    sg_buf output = SG_BUF_INIT;
    bool ok = run(&output, "", err);
    sg_buf_clear(&output);
    return ok;
}

static void put_number(sg_buf *script, double value)
{
    char text[32];
    sg_double_text(text, value);
    sg_buf_printf(script, " %s", text);
}

static void put_data(sg_buf *script, const sg_plot *plot)
{
    for (size_t s = 0; s < plot->nseries; s++) {
        const sg_series *series = &plot->series[s];
        sg_buf_printf(script, "$s%zu << EOD\n", s);
        for (size_t i = 0; i < series->n; i++) {
            put_number(script, series->x[i]);
            put_number(script, series->y[i]);
            put_number(script, series->low[i]);
            put_number(script, series->high[i]);
            sg_buf_puts(script, "\n");
        }
        sg_buf_puts(script, "EOD\n");
    }
}

/* Greys in the middle, so that axes and words are seen on a light and on a dark page. */
static void put_script(sg_buf *script, const sg_plot *plot)
{
    sg_buf_printf(script,
                  "set terminal svg size 460,300 dynamic noenhanced font 'sans,12'\n"
                  "set border 3 lc rgb '#8a8f98' lw 1\n"
                  "set tics nomirror scale 0.5 textcolor rgb '#8a8f98'\n"
                  "set grid ytics lt 1 lc rgb '#a8adb5' lw 0.4\n"
                  "unset key\nset yrange [0:1]\nset ytics 0.2 format '%%.1f'\nset lmargin 7\n"
                  "set xlabel '%s' textcolor rgb '#8a8f98'\nset ylabel '%s' textcolor rgb '#8a8f98'\n",
                  plot->xlabel, plot->ylabel);
    sg_buf_puts(script, "set xrange [0:");
    put_number(script, plot->ticks[plot->nticks - 1]);
    sg_buf_puts(script, "]\nset xtics (");
    for (size_t i = 0; i < plot->nticks; i++) {
        sg_buf_puts(script, i ? "," : "");
        put_number(script, plot->ticks[i]);
    }
    sg_buf_puts(script, ")\n");
    put_data(script, plot);
    sg_buf_puts(script, "plot");
    put_number(script, plot->level);
    sg_buf_puts(script, " with lines lw 1.2 dt 3 lc rgb '#8a8f98'");
    for (size_t s = 0; s < plot->nseries; s++)
        sg_buf_printf(script,
                      ", $s%zu using 1:3:4 with filledcurves fs transparent solid 0.10 noborder lc rgb '%s'",
                      s, plot->series[s].color);
    for (size_t s = 0; s < plot->nseries; s++)
        sg_buf_printf(script, ", $s%zu using 1:2 with linespoints lw 1.8 pt 7 ps 0.35 dt %s lc rgb '%s'", s,
                      plot->series[s].dashed ? "2" : "1", plot->series[s].color);
    sg_buf_puts(script, "\n");
}

/* How gnuplot writes what must not, or not so, stand in a page: name spaces, which HTML knows by itself, and ids and
 * their uses, which would meet those of another plot. */
typedef struct rewrite {
    const char *from, *to;
    bool prefix; /* goes behind it */
} rewrite;

static const rewrite rewrites[] = {
    {"xmlns=\"http://www.w3.org/2000/svg\"", "", false},
    {"xmlns:xlink=\"http://www.w3.org/1999/xlink\"", "", false},
    {"xlink:href='#", "href='#", true},
    {" id='", " id='", true},
    {" id=\"", " id=\"", true},
};

static const rewrite *rewrite_at(const char *text)
{
    for (size_t i = 0; i < sizeof rewrites / sizeof *rewrites; i++)
        if (!strncmp(text, rewrites[i].from, strlen(rewrites[i].from))) return &rewrites[i];
    return NULL;
}

static bool put_svg(sg_buf *svg, const char *text, const char *prefix, sg_error *err)
{
    text = strstr(text, "<svg");
    if (!text) return sg_fail(err, SG_ERR_FORMAT, "gnuplot wrote no SVG");
    while (*text) {
        const rewrite *r = rewrite_at(text);
        if (r) {
            sg_buf_puts(svg, r->to);
            if (r->prefix) sg_buf_puts(svg, prefix);
            text += strlen(r->from);
        } else {
            size_t plain = 1 + strcspn(text + 1, " x"); /* where one may begin */
            sg_buf_put(svg, text, plain);
            text += plain;
        }
    }
    return sg_buf_ok(svg) || sg_fail_memory(err, "a plot");
}

bool sg_plot_svg(sg_buf *svg, const sg_plot *plot, const char *prefix, sg_error *err)
{
    sg_buf script = SG_BUF_INIT, output = SG_BUF_INIT;
    put_script(&script, plot);
    bool ok = (sg_buf_ok(&script) || sg_fail_memory(err, "a plot")) &&
              run(&output, sg_buf_text(&script), err) && put_svg(svg, sg_buf_text(&output), prefix, err);
    sg_buf_clear(&output);
    sg_buf_clear(&script);
    return ok;
}
