/* report.html: one page that needs nothing beside it, for whoever is handed the audit. */
#include "report_impl.h"

#include <math.h>
#include <signet/file.h>
#include <signet/mem.h>
#include <string.h>

#define REFERENCE_EPS (8.0 / 255)

size_t sg_report_searches(const sg_audit *audit)
{
    size_t hashes = 0;
    for (size_t i = 0; i < audit->options->nmodels; i++) hashes += audit->models[i].hash;
    return hashes;
}

const char *sg_report_metric(char out[64], const sg_audit *audit)
{
    size_t hashes = sg_report_searches(audit), n = audit->options->nmodels;
    char map[32] = "mAP";
    if (audit->options->top) snprintf(map, sizeof map, "mAP@%zu", audit->options->top);
    snprintf(out, 64, "%s%s%s", hashes ? map : "", hashes && hashes < n ? " or " : "",
             hashes < n ? "accuracy" : "");
    return out;
}

double sg_report_eps(const sg_audit *audit)
{
    double best = audit->neps ? audit->eps[0] : 0;
    for (size_t i = 1; i < audit->neps; i++)
        if (fabs(audit->eps[i] - REFERENCE_EPS) < fabs(best - REFERENCE_EPS)) best = audit->eps[i];
    return best;
}

static void put_head(sg_buf *html, const sg_audit *audit)
{
    const char *data = sg_dataset_name(audit->ds);
    size_t n = audit->options->nmodels;
    sg_buf_puts(html, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                      "<title>Robustness audit: ");
    sg_buf_put_html(html, data);
    sg_buf_printf(html, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n", sg_report_style);
    sg_buf_printf(html, "<p class=\"kind\">signet &middot; audit</p>\n<h1>Robustness of %zu model%s on ", n,
                  n == 1 ? "" : "s");
    sg_buf_put_html(html, data);
    sg_buf_printf(html, "</h1>\n<p class=\"lead\">%zu quer%s", audit->nqueries,
                  audit->nqueries == 1 ? "y" : "ies");
    if (sg_report_searches(audit))
        sg_buf_printf(html, " searched for among %zu images", audit->split->ndatabase);
    sg_buf_puts(
        html,
        ", clean and under attack: each image is changed within a small budget so that its code, or its "
        "class, becomes another.</p>\n</header>\n<main>\n");
}

static void put_foot(sg_buf *html)
{
    sg_buf_puts(html,
                "</main>\n<footer><p>Made by signet " SIGNET_VERSION ". The figures stand in "
                "<code>results.csv</code> and <code>audit.json</code> beside this page, those of every query "
                "in <code>queries.csv</code>.</p></footer>\n</body>\n</html>\n");
}

bool sg_audit_report(const sg_audit *audit, sg_error *err)
{
    sg_buf html = SG_BUF_INIT;
    char *path = NULL;
    bool ok = true;
    put_head(&html, audit);
    sg_report_summary(&html, audit);
    sg_report_method(&html, audit);
    if (audit->neps) {
        sg_report_results(&html, audit);
        ok = sg_report_curves(&html, audit, err) && sg_report_pictures(&html, audit, err);
    }
    sg_report_details(&html, audit);
    sg_report_settings(&html, audit);
    put_foot(&html);
    ok = ok && (sg_buf_ok(&html) || sg_fail_memory(err, "the report")) &&
         sg_path_join(&path, audit->dir, "report.html", err) &&
         sg_file_write(path, html.data, html.size, err);
    sg_free(path);
    sg_buf_clear(&html);
    return ok;
}
