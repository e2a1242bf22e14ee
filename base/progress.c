#include <signet/progress.h>

#include <inttypes.h>
#include <signet/buf.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_SECONDS  0.1
#define COLUMNS_DEFAULT 80

double sg_now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void sg_progress_init(sg_progress *p, FILE *out, const char *title, const char *unit, uint64_t total)
{
    double now = sg_now_seconds();
    *p = (sg_progress){.out = out && isatty(fileno(out)) ? out : NULL,
                       .title = title,
                       .unit = unit,
                       .total = total,
                       .started = now,
                       .shown = now};
}

/* "4:05", "1:02:03" */
static void put_duration(sg_buf *line, double seconds)
{
    uint64_t s = (uint64_t)(seconds + 0.5);
    if (s >= 3600)
        sg_buf_printf(line, "%" PRIu64 ":%02d:%02d", s / 3600, (int)(s / 60 % 60), (int)(s % 60));
    else
        sg_buf_printf(line, "%d:%02d", (int)(s / 60), (int)(s % 60));
}

static void put_line(sg_buf *line, const sg_progress *p, double now, const char *note)
{
    double rate = (double)p->done / (now - p->started);
    sg_buf_printf(line, "%s  %" PRIu64, p->title, p->done);
    if (p->total > 0) sg_buf_printf(line, "/%" PRIu64, p->total);
    sg_buf_printf(line, " %s  %.*f/s", p->unit, rate < 10 ? 2 : 0, rate);
    if (p->total > p->done && p->done > 0) {
        sg_buf_puts(line, "  ");
        put_duration(line, (double)(p->total - p->done) / rate);
        sg_buf_puts(line, " left");
    }
    if (note) sg_buf_printf(line, "  %s", note);
}

/* Bytes of the text that fit `columns` characters (UTF-8). */
static size_t fitting(const char *text, size_t columns)
{
    size_t i = 0;
    for (size_t width = 0; text[i]; i++) {
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
        if (width > columns) break;
    }
    return i;
}

void sg_progress_update(sg_progress *p, uint64_t done, const char *note)
{
    p->done = done;
    if (!p->out) return;
    double now = sg_now_seconds();
    if (now - p->shown < PERIOD_SECONDS) return;
    p->shown = now;
    struct winsize size = {0};
    if (ioctl(fileno(p->out), TIOCGWINSZ, &size) != 0 || size.ws_col < 2) size.ws_col = COLUMNS_DEFAULT;
    sg_buf line = SG_BUF_INIT;
    put_line(&line, p, now, note);
    /* The last column stays free: a full line would wrap. */
    fprintf(p->out, "\r%.*s\033[K", (int)fitting(sg_buf_text(&line), size.ws_col - 1u), sg_buf_text(&line));
    fflush(p->out);
    sg_buf_clear(&line);
    p->line_open = true;
}

void sg_progress_end(sg_progress *p)
{
    if (!p->line_open) return;
    fputs("\r\033[K", p->out);
    fflush(p->out);
    p->line_open = false;
}
