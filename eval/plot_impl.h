/* Curves as SVG, made by gnuplot as a process. */
#ifndef SIGNET_PLOT_IMPL_H
#define SIGNET_PLOT_IMPL_H

#include <signet/buf.h>
#include <signet/error.h>

typedef struct sg_series {
    const char *color; /* "#rrggbb" */
    bool dashed;
    size_t n;
    const double *x, *y, *low, *high; /* (n), ascending in x; low to high is a band around y */
} sg_series;

typedef struct sg_plot {
    const char *xlabel, *ylabel; /* plain words: no quotes, no markup */
    double level;                /* a dotted horizontal line */
    const double *ticks;         /* (nticks) of the x axis, ascending from 0; the last is its end */
    size_t nticks;
    const sg_series *series;
    size_t nseries;
} sg_plot;

/* Is gnuplot there? SG_ERR_NOT_FOUND says what is missing. */
bool sg_plot_check(sg_error *err);
/* Appends an <svg> element without any link to elsewhere; prefix goes before its ids, so that several can stand in
 * one page. y runs from 0 to 1. */
bool sg_plot_svg(sg_buf *svg, const sg_plot *plot, const char *prefix, sg_error *err);

#endif
