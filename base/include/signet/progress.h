/* One progress line on a terminal (stderr), nothing elsewhere. The caller owns the struct. */
#ifndef SIGNET_PROGRESS_H
#define SIGNET_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct sg_progress {
    FILE *out; /* NULL: silent */
    const char *title, *unit;
    uint64_t done, total; /* total 0: unknown */
    double started, shown;
    bool line_open;
} sg_progress;

/* `out` is where the line goes when it is a terminal; otherwise nothing is shown. NULL: silent. */
void sg_progress_init(sg_progress *p, FILE *out, const char *title, const char *unit, uint64_t total);
/* At most ten times a second: "title  done/total unit  rate/s  time left  note". note may be NULL. */
void sg_progress_update(sg_progress *p, uint64_t done, const char *note);
void sg_progress_end(sg_progress *p); /* clears the line */

double sg_now_seconds(void); /* monotonic */

#endif
