/* Answers as a contact sheet: one HTML file that needs nothing beside it. */
#include "index_impl.h"

#include <inttypes.h>
#include <signet/buf.h>
#include <signet/file.h>
#include <signet/mem.h>
#include <signet/query.h>
#include <string.h>

#define THUMB_SIDE    320 /* pixels of the longer side, at most: sharp on dense screens */
#define THUMB_SMALL   96  /* shown larger, with its pixels as squares */
#define THUMB_QUALITY 88

static const char head[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>signet: nearest images</title>\n"
    "<style>\n"
    ":root { color-scheme: light dark; --back: #f6f6f4; --card: #fff; --text: #1d1f23; --dim: #6a6f78;\n"
    "  --line: #e0e0dc; --mark: #2f6f4f; --warn: #8a4b00; --warn-back: #fff3dd; }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "  :root { --back: #15171a; --card: #1f2226; --text: #e8e8e6; --dim: #9aa0a8; --line: #30343a;\n"
    "    --mark: #6cc198; --warn: #ffc97a; --warn-back: #3a2a10; } }\n"
    "* { box-sizing: border-box; }\n"
    "body { margin: 0 auto; max-width: 1500px; padding: 24px; background: var(--back); color: var(--text);\n"
    "  font: 14px/1.45 system-ui, sans-serif; }\n"
    "h1 { font-size: 20px; font-weight: 600; margin: 0; }\n"
    ".about { color: var(--dim); margin: 4px 0 24px; }\n"
    ".about code { font-size: 12px; }\n"
    ".warn { color: var(--warn); background: var(--warn-back); border-radius: 8px; padding: 8px 12px; "
    "margin: 0 0 16px; }\n"
    "section { display: grid; grid-template-columns: 200px 1fr; gap: 20px; padding: 20px 0;\n"
    "  border-top: 1px solid var(--line); }\n"
    "@media (max-width: 640px) { section { grid-template-columns: 1fr; } }\n"
    ".grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 14px; "
    "align-content: start; }\n"
    "figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px; "
    "overflow: hidden;\n"
    "  min-width: 0; }\n"
    ".query figure { border: 2px solid var(--mark); position: sticky; top: 20px; }\n"
    ".frame { display: flex; align-items: center; justify-content: center; aspect-ratio: 1; padding: 6px; }\n"
    ".frame img { width: 100%; height: 100%; object-fit: contain; }\n"
    ".frame img.small { image-rendering: pixelated; }\n"
    ".missing { color: var(--dim); text-align: center; border: 1px dashed var(--line); border-radius: 6px; "
    "width: 100%;\n"
    "  height: 100%; display: flex; align-items: center; justify-content: center; padding: 8px; font-size: "
    "12px; }\n"
    "figcaption { padding: 8px 10px 10px; border-top: 1px solid var(--line); }\n"
    ".name { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: inherit; "
    "}\n"
    ".facts { display: flex; justify-content: space-between; color: var(--dim); font-size: 12px; }\n"
    ".facts b { color: var(--text); font-weight: 600; }\n"
    ".bar { height: 3px; border-radius: 2px; background: var(--line); margin-top: 6px; }\n"
    ".bar i { display: block; height: 3px; border-radius: 2px; background: var(--mark); }\n"
    ".more { color: var(--dim); grid-column: 1 / -1; margin: 0; font-size: 12px; }\n"
    "</style>\n</head>\n<body>\n";

/* A thumbnail made ready: markup, or why there is none. */
typedef struct thumb {
    const char *path;
    sg_buf markup;
} thumb;

static bool shrink(sg_image *image, sg_error *err)
{
    int longer = image->width > image->height ? image->width : image->height;
    sg_image small;
    if (longer <= THUMB_SIDE) return true;
    int width = (int)((int64_t)image->width * THUMB_SIDE / longer);
    int height = (int)((int64_t)image->height * THUMB_SIDE / longer);
    if (!sg_image_resize(&small, image, width > 0 ? width : 1, height > 0 ? height : 1, err)) return false;
    sg_image_clear(image);
    *image = small;
    return true;
}

static void make_thumb(thumb *t, const sg_decode_options *decode)
{
    sg_image image = {0};
    unsigned char *jpeg = NULL;
    size_t nbytes;
    bool ok = strcmp(t->path, "-") != 0 && sg_image_load(&image, t->path, decode, NULL) &&
              shrink(&image, NULL) && sg_image_encode_jpeg(&jpeg, &nbytes, &image, THUMB_QUALITY, NULL);
    if (ok) {
        bool small = image.width <= THUMB_SMALL && image.height <= THUMB_SMALL;
        sg_buf_printf(&t->markup, "<img%s alt=\"\" src=\"data:image/jpeg;base64,",
                      small ? " class=\"small\"" : "");
        sg_buf_put_base64(&t->markup, jpeg, nbytes);
        sg_buf_puts(&t->markup, "\">");
    } else {
        sg_buf_puts(&t->markup, "<span class=\"missing\">no picture here any more</span>");
    }
    sg_free(jpeg);
    sg_image_clear(&image);
}

/* Thumbnails of an answer, [0] the query's. */
static thumb *make_thumbs(const sg_answer *answer, uint64_t max_pixels, sg_error *err)
{
    thumb *thumbs = sg_calloc(answer->result.n + 1, sizeof *thumbs);
    if (!thumbs) {
        sg_fail_memory(err, "contact sheet");
        return NULL;
    }
    thumbs[0].path = answer->query ? answer->query : "-";
    for (size_t i = 0; i < answer->result.n; i++)
        thumbs[i + 1].path = answer->paths[i] ? answer->paths[i] : "-";
    const sg_decode_options decode = {.max_pixels = max_pixels, .oriented = true, .shorter_min = THUMB_SIDE};
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i <= answer->result.n; i++) make_thumb(&thumbs[i], &decode);
    return thumbs;
}

static void put_figure(sg_buf *page, const thumb *t, const char *name)
{
    sg_buf_puts(page, "<figure><div class=\"frame\">");
    if (sg_buf_ok(&t->markup))
        sg_buf_puts(page, sg_buf_text(&t->markup));
    else
        page->failed = true;
    sg_buf_puts(page, "</div><figcaption><span class=\"name\" title=\"");
    sg_buf_put_html(page, name);
    sg_buf_puts(page, "\">");
    sg_buf_put_html(page, sg_path_base(name));
    sg_buf_puts(page, "</span>");
}

static void put_result(sg_buf *page, const thumb *t, const sg_answer *answer, size_t i)
{
    const sg_hit *hit = &answer->result.hits[i];
    double nearness = 100.0 * (1.0 - (double)hit->distance / (double)answer->nbits);
    put_figure(page, t, answer->paths[i] ? answer->paths[i] : "no path");
    sg_buf_printf(
        page, "<div class=\"facts\"><span>#%zu, id %" PRIu64 "</span><span>distance <b>%u</b></span></div>",
        i + 1, hit->id, hit->distance);
    sg_buf_printf(page, "<div class=\"bar\"><i style=\"width: %.1f%%\"></i></div></figcaption></figure>\n",
                  nearness);
}

static bool put_answer(sg_buf *page, const sg_answer *answer, uint64_t max_pixels, sg_error *err)
{
    thumb *thumbs = make_thumbs(answer, max_pixels, err);
    if (!thumbs) return false;
    char hex[SG_BITS_MAX / 4 + 1];
    sg_hex(hex, answer->code, answer->nbits / 8);
    sg_buf_puts(page, "<section>\n<div class=\"query\">");
    put_figure(page, &thumbs[0], answer->query ? answer->query : hex);
    sg_buf_printf(page, "<div class=\"facts\"><span>query</span><span>%zu found</span></div>",
                  answer->result.n);
    sg_buf_puts(page, "</figcaption></figure></div>\n<div class=\"grid\">\n");
    for (size_t i = 0; i < answer->result.n; i++) put_result(page, &thumbs[i + 1], answer, i);
    if (answer->result.n == 0) sg_buf_puts(page, "<p class=\"more\">Nothing was found.</p>\n");
    if (!answer->result.complete)
        sg_buf_puts(page, "<p class=\"more\">There are more at the last distance.</p>\n");
    if (!answer->result.exact) sg_buf_puts(page, "<p class=\"more\">Nearer ones may have been missed.</p>\n");
    sg_buf_puts(page, "</div>\n</section>\n");
    for (size_t i = 0; i <= answer->result.n; i++) sg_buf_clear(&thumbs[i].markup);
    sg_free(thumbs);
    return true;
}

static void put_about(sg_buf *page, const sg_answer *answers, size_t n, const sg_index *index)
{
    sg_buf_puts(page, "<h1>Nearest images</h1>\n");
    sg_buf_printf(page, "<p class=\"about\">%" PRIu64 " images of %zu bits, %zu %s, generation %" PRIu64,
                  index->info.items, index->info.nbits, n, n == 1 ? "query" : "queries",
                  n > 0 ? answers[0].generation : index->info.generation);
    sg_buf_printf(page, ", model <code>%.16s</code></p>\n", index->info.fingerprint);
    if (index->differs[0] == '\0') return;
    sg_buf_puts(page, "<p class=\"warn\">This machine does not make exactly the codes of the index: ");
    sg_buf_put_html(page, index->differs);
    sg_buf_puts(page, "</p>\n");
}

bool sg_answers_html(const char *path, const sg_answer *answers, size_t n, const sg_index *index,
                     sg_error *err)
{
    sg_out *out;
    sg_buf page = SG_BUF_INIT;
    if (!sg_out_open(&out, path, err)) return false;
    sg_buf_puts(&page, head);
    put_about(&page, answers, n, index);
    bool ok = true;
    uint64_t max_pixels = index->model ? index->model->preprocess.max_pixels : 0;
    for (size_t i = 0; ok && i < n; i++) {
        ok = put_answer(&page, &answers[i], max_pixels, err) &&
             (sg_buf_ok(&page) || sg_fail_memory(err, path)) && sg_out_write(out, page.data, page.size, err);
        page.size = 0; /* one answer's pictures at a time in memory */
    }
    sg_buf_puts(&page, "</body>\n</html>\n");
    ok =
        ok && (sg_buf_ok(&page) || sg_fail_memory(err, path)) && sg_out_write(out, page.data, page.size, err);
    sg_buf_clear(&page);
    if (ok) return sg_out_commit(out, err);
    sg_out_abort(out);
    return false;
}
