#include "report_impl.h"

#include "plot_impl.h"

#include <inttypes.h>
#include <math.h>
#include <signet/mem.h>
#include <string.h>

/* Near Okabe and Ito's (2008), which colour-blind readers tell apart; seen on light and on dark. */
static const char *const colors[] = {"#2a86c8", "#e06a1b", "#12a07a", "#c774a4",
                                     "#c98a00", "#8a6fd1", "#b5484f", "#7a8594"};

static const char *color_of(size_t model)
{
    return colors[model % (sizeof colors / sizeof *colors)];
}

static void put_value(sg_buf *html, const sg_cell *c)
{
    sg_buf_printf(html,
                  "<td class=\"v\"><b>%.3f</b><i style=\"--v:%.1f%%\"></i><small>%.3f to %.3f</small></td>",
                  c->value, 100 * c->value, c->low, c->high);
}

static void put_model_name(sg_buf *html, const sg_audit_model *m)
{
    sg_buf_put_html(html, m->name);
    sg_buf_printf(html, "<small>%s, rule %s, %" PRId64 " %s</small>", m->arch, m->rule, m->outputs,
                  m->hash ? "bits" : "classes");
}

/* ---- in short ---- */

/* The attack that leaves least at this budget. */
static const sg_cell *least(const sg_audit *audit, const sg_audit_model *model, sg_gradient gradient,
                            double eps)
{
    const sg_cell *best = NULL;
    for (size_t a = 0; a < audit->options->nattacks; a++) {
        const sg_cell *c = sg_audit_find(audit, model, audit->options->attacks[a], gradient, eps);
        if (c && (!best || c->value < best->value)) best = c;
    }
    return best;
}

void sg_report_summary(sg_buf *html, const sg_audit *audit)
{
    const sg_audit_options *o = audit->options;
    char metric[64], eps[32];
    double reference = sg_report_eps(audit);
    sg_eps_text(eps, reference);
    sg_buf_printf(html, "<section>\n<h2>In short</h2>\n<p>What is counted is %s: without an attack",
                  sg_report_metric(metric, audit));
    if (audit->neps) sg_buf_printf(html, ", and what the strongest of the attacks leaves at eps %s", eps);
    sg_buf_printf(
        html, ". Chance is %.3f.</p>\n<div class=\"wide\"><table>\n<thead><tr><th>Model</th><th>Clean</th>",
        audit->cells[0].chance);
    for (size_t g = 0; g < o->ngradients && audit->neps; g++)
        sg_buf_printf(html, "<th>Left, %s gradient</th>", sg_gradient_name(o->gradients[g]));
    sg_buf_puts(html, "</tr></thead>\n<tbody>\n");
    for (size_t m = 0; m < o->nmodels; m++) {
        const sg_audit_model *model = &audit->models[m];
        sg_buf_puts(html, "<tr><th>");
        put_model_name(html, model);
        sg_buf_puts(html, "</th>");
        put_value(html, sg_audit_find(audit, model, NULL, SG_GRADIENT_EXACT, 0));
        for (size_t g = 0; g < o->ngradients && audit->neps; g++)
            put_value(html, least(audit, model, o->gradients[g], reference));
        sg_buf_puts(html, "</tr>\n");
    }
    sg_buf_puts(html, "</tbody>\n</table></div>\n</section>\n");
}

/* ---- every attack at every budget ---- */

static void put_attack_row(sg_buf *html, const sg_audit *audit, const sg_cell *first)
{
    sg_buf_printf(html, "<tr><td>%s</td><td>%s</td><td></td>", first->attack.name, first->gradient_name);
    for (size_t e = 0; e < audit->neps; e++)
        put_value(html, sg_audit_find(audit, first->model, first->attack.name, first->attack.gradient,
                                      audit->eps[e]));
    sg_buf_puts(html, "</tr>\n");
}

void sg_report_results(sg_buf *html, const sg_audit *audit)
{
    char metric[64], eps[32];
    sg_buf_printf(
        html,
        "<section>\n<h2>Results</h2>\n<p>Every model by attack, gradient and budget: %s, with 95 %% "
        "intervals.</p>\n<div class=\"wide\"><table class=\"results\">\n<thead><tr><th>Attack</th>"
        "<th>Gradient</th><th>Clean</th>",
        sg_report_metric(metric, audit));
    for (size_t e = 0; e < audit->neps; e++) {
        sg_eps_text(eps, audit->eps[e]);
        sg_buf_printf(html, "<th>eps %s</th>", eps);
    }
    sg_buf_puts(html, "</tr></thead>\n");
    for (size_t i = 0; i < audit->ncells; i++) { /* model by model, the clean cell first */
        const sg_cell *c = &audit->cells[i];
        if (c->clean) {
            sg_buf_printf(html, "%s<tbody>\n<tr><th colspan=\"2\">", i ? "</tbody>\n" : "");
            put_model_name(html, c->model);
            sg_buf_puts(html, "</th>");
            put_value(html, c);
            sg_buf_printf(html, "<td colspan=\"%zu\"></td></tr>\n", audit->neps);
        } else if (c->attack.eps == audit->eps[0]) {
            put_attack_row(html, audit, c);
        }
    }
    sg_buf_puts(html, "</tbody>\n</table></div>\n</section>\n");
}

/* ---- curves ---- */

/* A model's curve under one attack and gradient, from the clean point on. values (4, 1 + neps): x, y, low, high. */
static sg_series series_of(double *values, const sg_audit *audit, const sg_cell *first, size_t model)
{
    size_t n = 1 + audit->neps;
    double *x = values, *y = x + n, *low = y + n, *high = low + n;
    for (size_t i = 0; i < n; i++) {
        const sg_cell *c = i ? sg_audit_find(audit, first->model, first->attack.name, first->attack.gradient,
                                             audit->eps[i - 1])
                             : sg_audit_find(audit, first->model, NULL, SG_GRADIENT_EXACT, 0);
        x[i] = 255 * c->attack.eps;
        y[i] = c->value;
        low[i] = c->low;
        high[i] = c->high;
    }
    return (sg_series){color_of(model), first->attack.gradient == SG_GRADIENT_RULE, n, x, y, low, high};
}

static bool put_curve(sg_buf *html, const sg_audit *audit, size_t attack, sg_error *err)
{
    const sg_audit_options *o = audit->options;
    size_t n = 1 + audit->neps, most = o->nmodels * o->ngradients, used = 0;
    double *values = sg_alloc(most, 4 * n * sizeof *values);
    sg_series *series = sg_alloc(most, sizeof *series);
    char metric[64], prefix[32];
    bool ok = values && series;
    if (!ok) sg_fail_memory(err, "curves");
    for (size_t i = 0; i < audit->ncells && ok; i++) {
        const sg_cell *c = &audit->cells[i];
        if (c->clean || strcmp(c->attack.name, o->attacks[attack]) || c->attack.eps != audit->eps[0])
            continue;
        series[used] = series_of(values + used * 4 * n, audit, c, (size_t)(c->model - audit->models));
        used++;
    }
    if (ok) {
        sg_plot plot = {
            "eps, of 255", sg_report_metric(metric, audit), audit->cells[0].chance, series[0].x, n, series,
            used};
        snprintf(prefix, sizeof prefix, "p%zu-", attack);
        sg_buf_printf(html, "<figure><figcaption>%s</figcaption>\n", o->attacks[attack]);
        ok = sg_plot_svg(html, &plot, prefix, err);
        sg_buf_puts(html, "</figure>\n");
    }
    sg_free(series);
    sg_free(values);
    return ok;
}

static void put_legend(sg_buf *html, const sg_audit *audit)
{
    sg_buf_puts(html, "<ul class=\"legend\">\n");
    for (size_t m = 0; m < audit->options->nmodels; m++) {
        sg_buf_printf(html, "<li><i style=\"color:%s\"></i>", color_of(m));
        sg_buf_put_html(html, audit->models[m].name);
        sg_buf_puts(html, "</li>\n");
    }
    sg_buf_puts(html,
                "<li><i></i>exact gradient</li>\n<li><i class=\"dashed\"></i>rule&rsquo;s gradient</li>\n"
                "<li><i class=\"dotted\"></i>chance</li>\n</ul>\n");
}

bool sg_report_curves(sg_buf *html, const sg_audit *audit, sg_error *err)
{
    sg_buf_puts(html,
                "<section>\n<h2>Curves</h2>\n<p>What is left as the budget grows, one picture an attack; the "
                "bands are the 95 % intervals.</p>\n");
    put_legend(html, audit);
    sg_buf_puts(html, "<div class=\"curves\">\n");
    for (size_t a = 0; a < audit->options->nattacks; a++)
        if (!put_curve(html, audit, a, err)) return false;
    sg_buf_puts(html, "</div>\n</section>\n");
    return true;
}

/* ---- all figures ---- */

static void put_detail(sg_buf *html, const sg_cell *c)
{
    char eps[32];
    sg_eps_text(eps, c->attack.eps);
    sg_buf_puts(html, "<tr><td>");
    sg_buf_put_html(html, c->model->name);
    sg_buf_printf(html, "</td><td>%s</td><td>%s</td><td class=\"n\">%s</td><td class=\"n\">%.4f</td>",
                  c->clean ? "clean" : c->attack.name, c->gradient_name, c->clean ? "0" : eps, c->value);
    if (c->model->hash)
        sg_buf_printf(html,
                      "<td class=\"n\">%.4f</td><td class=\"n\">%.4f</td><td class=\"n\">%.4f</td>"
                      "<td class=\"n\">%.2f</td>",
                      c->map.low, c->map.high, c->map.order, c->hamming);
    else
        sg_buf_puts(html, "<td></td><td></td><td></td><td></td>");
    if (c->clean)
        sg_buf_puts(html, "<td></td><td></td><td></td>");
    else
        sg_buf_printf(html, "<td class=\"n\">%.2f</td><td class=\"n\">%.1f</td><td class=\"n\">%.1f %%</td>",
                      255 * c->linf, c->psnr, 100 * c->zero_gradient);
    sg_buf_puts(html, "</tr>\n");
}

void sg_report_details(sg_buf *html, const sg_audit *audit)
{
    char metric[64];
    sg_report_metric(metric, audit);
    sg_buf_puts(html, "<section>\n<h2>All figures</h2>\n<p>");
    if (sg_report_searches(audit))
        sg_buf_puts(
            html,
            "mAP is the expectation over the order of equally near answers; lowest and highest are over "
            "every such order, by id is the order of the database. Bits moved: Hamming distance between "
            "the codes before and after, on the average. ");
    sg_buf_printf(
        html,
        "Pixels: the largest change of an image, of 255, on the average. Zero gradient: the share of images "
        "whose first gradient was zero or no number, so that an attack had nowhere to go.</p>\n"
        "<details><summary>%zu rows</summary>\n<div class=\"wide\"><table>\n<thead><tr><th>Model</th>"
        "<th>Attack</th><th>Gradient</th><th class=\"n\">eps</th><th class=\"n\">%s</th>"
        "<th class=\"n\">lowest</th><th class=\"n\">highest</th><th class=\"n\">by id</th>"
        "<th class=\"n\">bits moved</th><th class=\"n\">pixels</th><th class=\"n\">PSNR, dB</th>"
        "<th class=\"n\">zero gradient</th></tr></thead>\n<tbody>\n",
        audit->ncells, metric);
    for (size_t i = 0; i < audit->ncells; i++) put_detail(html, &audit->cells[i]);
    sg_buf_puts(html, "</tbody>\n</table></div></details>\n</section>\n");
}
