#include "report_impl.h"

#include <math.h>
#include <signet/mem.h>
#include <string.h>

enum { THUMB = 64, SIDE_MAX = 256 };

/* ---- images ---- */

static bool put_image(sg_buf *html, const sg_image *image, const char *what, sg_error *err)
{
    unsigned char *bytes;
    size_t nbytes;
    if (!sg_image_encode_png(&bytes, &nbytes, image, err)) return false;
    sg_buf_puts(html, "<img alt=\"");
    sg_buf_put_html(html, what);
    sg_buf_puts(html, "\" src=\"data:image/png;base64,");
    sg_buf_put_base64(html, bytes, nbytes);
    sg_buf_puts(html, "\">");
    sg_free(bytes);
    return true;
}

/* No side longer than `side`; a smaller image stays as it is (the page enlarges it, pixel by pixel). */
static bool put_fitted(sg_buf *html, const sg_image *image, int side, const char *what, sg_error *err)
{
    int longer = image->width > image->height ? image->width : image->height;
    sg_image small = {0};
    if (longer <= side) return put_image(html, image, what, err);
    int width = (image->width * side + longer - 1) / longer,
        height = (image->height * side + longer - 1) / longer;
    bool ok = sg_image_resize(&small, image, width, height, err) && put_image(html, &small, what, err);
    sg_image_clear(&small);
    return ok;
}

static bool put_item(sg_buf *html, const sg_audit *audit, uint32_t item, sg_error *err)
{
    sg_image image = {0};
    const sg_decode_options options = {
        .max_pixels = audit->options->max_pixels, .oriented = true, .shorter_min = THUMB};
    bool ok = sg_dataset_load(&image, audit->ds, item, &options, err) &&
              put_fitted(html, &image, THUMB, sg_dataset_item_name(audit->ds, item), err);
    sg_image_clear(&image);
    return ok;
}

static bool load_picture(sg_image *image, const sg_audit *audit, const sg_cell *cell, size_t shown,
                         sg_error *err)
{
    char *path;
    const sg_decode_options options = {.channels = (int)cell->model->channels};
    if (!sg_cell_picture(&path, cell, audit, shown, err)) return false;
    bool ok = sg_image_load(image, path, &options, err);
    if (ok && (image->width != cell->model->width || image->height != cell->model->height))
        ok = sg_fail(err, SG_ERR_FORMAT, "%s is %d x %d, not as it was written", path, image->width,
                     image->height);
    sg_free(path);
    return ok;
}

/* How many times a change of eps can be enlarged around middle grey. */
static int gain_of(double eps)
{
    int gain = (int)floor(127 / fmax(1, floor(255 * eps + 1e-9)));
    return gain < 1 ? 1 : gain;
}

static bool perturbation_of(sg_image *out, const sg_image *clean, const sg_image *changed, int gain,
                            sg_error *err)
{
    if (!sg_image_init(out, clean->width, clean->height, clean->channels, err)) return false;
    size_t n = (size_t)clean->width * (size_t)clean->height * (size_t)clean->channels;
    for (size_t i = 0; i < n; i++) {
        int v = 128 + gain * (changed->pixels[i] - clean->pixels[i]);
        out->pixels[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
    return true;
}

static bool put_figure(sg_buf *html, const sg_image *image, const char *caption, sg_error *err)
{
    sg_buf_puts(html, "<figure>");
    if (!put_fitted(html, image, SIDE_MAX, caption, err)) return false;
    sg_buf_puts(html, "<figcaption>");
    sg_buf_put_html(html, caption);
    sg_buf_puts(html, "</figcaption></figure>\n");
    return true;
}

static bool put_triple(sg_buf *html, const sg_audit *audit, const sg_cell *before, const sg_cell *after,
                       size_t query, sg_error *err)
{
    sg_image clean = {0}, changed = {0}, difference = {0};
    int gain = gain_of(after->attack.eps);
    char caption[64];
    snprintf(caption, sizeof caption, "change × %d", gain);
    sg_buf_puts(html, "<div class=\"triple\">\n");
    bool ok =
        load_picture(&clean, audit, before, query, err) && load_picture(&changed, audit, after, query, err) &&
        perturbation_of(&difference, &clean, &changed, gain, err) && put_figure(html, &clean, "clean", err) &&
        put_figure(html, &difference, caption, err) && put_figure(html, &changed, "attacked", err);
    sg_buf_puts(html, "</div>\n");
    sg_image_clear(&difference);
    sg_image_clear(&changed);
    sg_image_clear(&clean);
    return ok;
}

/* ---- answers ---- */

static bool put_answers(sg_buf *html, const sg_audit *audit, const sg_cell *cell, size_t query,
                        const char *when, sg_error *err)
{
    sg_buf_printf(html, "<p>%s: average precision %.3f</p>\n<ol class=\"answers\">\n", when,
                  cell->queries[query].score);
    for (size_t i = 0; i < audit->nnearest; i++) {
        const sg_nearest *near = &cell->nearest[query][i];
        sg_buf_printf(html, "<li%s>", near->relevant ? " class=\"yes\"" : "");
        if (!put_item(html, audit, near->item, err)) return false;
        sg_buf_printf(html, "%u</li>\n", near->distance);
    }
    sg_buf_puts(html, "</ol>\n");
    return true;
}

static void put_class(sg_buf *html, const sg_audit *audit, size_t cls)
{
    sg_buf_put_html(html, sg_dataset_classes(audit->ds)[cls]);
}

static void put_labels(sg_buf *html, const sg_audit *audit, size_t query)
{
    bool any = false;
    for (size_t c = 0; c < audit->labels.classes; c++) {
        if (!sg_labels_has(&audit->labels, query, c)) continue;
        sg_buf_puts(html, any ? ", " : "");
        put_class(html, audit, c);
        any = true;
    }
    if (!any) sg_buf_puts(html, "no label");
}

static bool put_query(sg_buf *html, const sg_audit *audit, const sg_cell *before, const sg_cell *after,
                      size_t query, sg_error *err)
{
    const sg_cell_query *q = &after->queries[query];
    bool hash = after->model->hash;
    sg_buf_puts(html, "<div class=\"query\">\n");
    if (!put_triple(html, audit, before, after, query, err)) return false;
    sg_buf_puts(html, "<div>\n<p><strong>");
    put_labels(html, audit, query);
    sg_buf_puts(html, "</strong>");
    if (hash) {
        sg_buf_printf(html, ", %u of %lld bits moved</p>\n", q->hamming, (long long)after->model->outputs);
        if (!put_answers(html, audit, before, query, "Before", err) ||
            !put_answers(html, audit, after, query, "After", err))
            return false;
    } else {
        sg_buf_puts(html, "</p>\n<p>Named ");
        put_class(html, audit, (size_t)before->queries[query].cls);
        sg_buf_puts(html, " before, ");
        put_class(html, audit, (size_t)q->cls);
        sg_buf_puts(html, " after.</p>\n");
    }
    sg_buf_puts(html, "</div>\n</div>\n");
    return true;
}

/* ---- the section ---- */

static bool put_model(sg_buf *html, const sg_audit *audit, const sg_audit_model *model, double eps,
                      sg_error *err)
{
    const sg_audit_options *o = audit->options;
    const sg_cell *before = sg_audit_find(audit, model, NULL, SG_GRADIENT_EXACT, 0);
    sg_buf_printf(html, "<details%s><summary>", model == audit->models ? " open" : "");
    sg_buf_put_html(html, model->name);
    sg_buf_puts(html, "</summary>\n");
    for (size_t a = 0; a < o->nattacks; a++) {
        const sg_cell *after = sg_audit_find(audit, model, o->attacks[a], o->gradients[0], eps);
        char text[32];
        sg_eps_text(text, eps);
        sg_buf_printf(html, "<h3>%s, gradient %s, eps %s</h3>\n", o->attacks[a], after->gradient_name, text);
        for (size_t i = 0; i < audit->nshown; i++)
            if (!put_query(html, audit, before, after, i, err)) return false;
    }
    sg_buf_puts(html, "</details>\n");
    return true;
}

bool sg_report_pictures(sg_buf *html, const sg_audit *audit, sg_error *err)
{
    sg_buf_printf(
        html,
        "<section>\n<h2>Pictures</h2>\n<p>The first %zu queries, not chosen ones, as the network reads them: "
        "clean, the change enlarged around grey, attacked.",
        audit->nshown);
    if (sg_report_searches(audit))
        sg_buf_puts(
            html, " Beside them the nearest images of the database with their distances in bits; those that "
                  "share a label with the query are ringed and ticked.");
    sg_buf_puts(html, "</p>\n");
    for (size_t m = 0; m < audit->options->nmodels; m++)
        if (!put_model(html, audit, &audit->models[m], sg_report_eps(audit), err)) return false;
    sg_buf_puts(html, "</section>\n");
    return true;
}
