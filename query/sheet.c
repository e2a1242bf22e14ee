/* Answers as a contact sheet: one HTML file that needs nothing beside it. */
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
    "<title>signet</title>\n"
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
    "a.name:hover { text-decoration: underline; }\n"
    ".labels { display: flex; flex-wrap: wrap; gap: 4px; margin: 4px 0; }\n"
    ".labels span { background: var(--back); border-radius: 6px; padding: 0 6px; font-size: 12px; }\n"
    ".facts { display: flex; justify-content: space-between; color: var(--dim); font-size: 12px; }\n"
    ".facts b { color: var(--text); font-weight: 600; }\n"
    ".bar { height: 3px; border-radius: 2px; background: var(--line); margin-top: 6px; }\n"
    ".bar i { display: block; height: 3px; border-radius: 2px; background: var(--mark); }\n"
    ".more { color: var(--dim); grid-column: 1 / -1; margin: 0; font-size: 12px; }\n"
    "</style>\n</head>\n<body>\n";

/* What a sheet is of. */
typedef struct sheet_words {
    const char *title, *first, *one, *many;
} sheet_words;
static const sheet_words words_of_answers = {"Nearest images", "query", "query", "queries"},
                         words_of_groups = {"Duplicates", "keep", "group", "groups"};

/* A thumbnail made ready: markup, or why there is none. */
typedef struct thumb {
    const char *path; /* NULL: of what has none */
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
    bool ok = t->path && strcmp(t->path, "-") != 0 && sg_image_load(&image, t->path, decode, NULL) &&
              shrink(&image, NULL) && sg_image_encode_jpeg(&jpeg, &nbytes, &image, THUMB_QUALITY, NULL);
    if (ok) {
        bool small = image.width <= THUMB_SMALL && image.height <= THUMB_SMALL;
        sg_buf_printf(&t->markup, "<img%s alt=\"\" src=\"data:image/jpeg;base64,",
                      small ? " class=\"small\"" : "");
        sg_buf_put_base64(&t->markup, jpeg, nbytes);
        sg_buf_puts(&t->markup, "\">");
    } else {
        sg_buf_printf(&t->markup, "<span class=\"missing\">no picture here%s</span>",
                      t->path && strcmp(t->path, "-") != 0 ? " any more" : "");
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
    thumbs[0].path = answer->query ? answer->query : answer->query_path;
    for (size_t i = 0; i < answer->result.n; i++) thumbs[i + 1].path = answer->paths[i];
    const sg_decode_options decode = {.max_pixels = max_pixels, .oriented = true, .shorter_min = THUMB_SIDE};
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i <= answer->result.n; i++) make_thumb(&thumbs[i], &decode);
    return thumbs;
}

/* A path as a file's URL (RFC 8089): each byte but for letters, digits, "-._~" and "/" as %XX. */
static void put_url(sg_buf *page, const char *path)
{
    static const char plain[] = "-._~/";
    char *absolute;
    if (!sg_path_absolute(&absolute, path, NULL)) {
        page->failed = true;
        return;
    }
    sg_buf_puts(page, "file://");
    for (const char *c = absolute; *c; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (letter || strchr(plain, *c))
            sg_buf_put(page, c, 1);
        else
            sg_buf_printf(page, "%%%02X", (unsigned char)*c);
    }
    sg_free(absolute);
}

/* name: what stands for a path where there is none. */
static void put_figure(sg_buf *page, const thumb *t, const char *name)
{
    bool file = t->path && strcmp(t->path, "-") != 0;
    sg_buf_puts(page, "<figure><div class=\"frame\">");
    if (sg_buf_ok(&t->markup))
        sg_buf_puts(page, sg_buf_text(&t->markup));
    else
        page->failed = true;
    sg_buf_puts(page, "</div><figcaption>");
    if (file) {
        sg_buf_puts(page, "<a class=\"name\" href=\"");
        put_url(page, t->path);
        sg_buf_puts(page, "\" title=\"");
        sg_buf_put_html(page, t->path);
        sg_buf_puts(page, "\">");
        sg_buf_put_html(page, sg_path_base(t->path));
        sg_buf_puts(page, "</a>");
    } else {
        sg_buf_puts(page, "<span class=\"name\">");
        sg_buf_put_html(page, t->path ? t->path : name);
        sg_buf_puts(page, "</span>");
    }
}

static void put_labels(sg_buf *page, const sg_attributes *a)
{
    const char *key, *value;
    size_t at = 0, n = 0;
    while (sg_attributes_next(&key, &value, a->data, a->nbytes, &at)) {
        if (strcmp(key, SG_ATTRIBUTE_LABEL) != 0) continue;
        sg_buf_puts(page, n++ == 0 ? "<div class=\"labels\"><span>" : "<span>");
        sg_buf_put_html(page, value);
        sg_buf_puts(page, "</span>");
    }
    if (n > 0) sg_buf_puts(page, "</div>");
}

static void put_result(sg_buf *page, const thumb *t, const sg_answer *answer, size_t i)
{
    const sg_hit *hit = &answer->result.hits[i];
    double nearness = 100.0 * (1.0 - (double)hit->distance / (double)answer->nbits);
    put_figure(page, t, "a code without a picture");
    if (answer->attributes) put_labels(page, &answer->attributes[i]);
    sg_buf_printf(page, "<div class=\"facts\"><span>#%zu, id %" PRIu64 "</span><span>", i + 1, hit->id);
    if (answer->scores) sg_buf_printf(page, "score <b>%.3f</b>, ", answer->scores[i]);
    sg_buf_printf(page, "distance <b>%u</b></span></div>", hit->distance);
    sg_buf_printf(page, "<div class=\"bar\"><i style=\"width: %.1f%%\"></i></div></figcaption></figure>\n",
                  nearness);
}

static bool put_answer(sg_buf *page, const sheet_words *words, const sg_answer *answer, uint64_t max_pixels,
                       sg_error *err)
{
    thumb *thumbs = make_thumbs(answer, max_pixels, err);
    if (!thumbs) return false;
    char name[SG_BITS_MAX / 4 + 1];
    if (answer->query_id)
        snprintf(name, sizeof name, "id %" PRIu64, answer->query_id);
    else
        sg_hex(name, answer->code, answer->nbits / 8);
    sg_buf_puts(page, "<section>\n<div class=\"query\">");
    put_figure(page, &thumbs[0], name);
    sg_buf_printf(page, "<div class=\"facts\"><span>%s", words->first);
    if (answer->query_path) sg_buf_printf(page, ", id %" PRIu64, answer->query_id);
    sg_buf_printf(page, "</span><span>%zu found</span></div>", answer->result.n);
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

static void put_about(sg_buf *page, const sheet_words *words, const sg_answer *answers, size_t n)
{
    sg_buf_printf(page, "<h1>%s</h1>\n", words->title);
    if (n == 0) return;
    const sg_answer *first = &answers[0];
    sg_buf_printf(page, "<p class=\"about\">%" PRIu64 " images of %zu bits, %zu %s, generation %" PRIu64,
                  first->items, first->nbits, n, n == 1 ? words->one : words->many, first->generation);
    sg_buf_printf(page, ", model <code>%.16s</code></p>\n", first->fingerprint);
    if (first->recipe_difference[0] == '\0') return;
    sg_buf_puts(page, "<p class=\"warn\">This machine does not make exactly the codes of the index: ");
    sg_buf_put_html(page, first->recipe_difference);
    sg_buf_puts(page, "</p>\n");
}

static bool put_sheet(const char *path, const sheet_words *words, const sg_answer *answers, size_t n,
                      uint64_t max_pixels, sg_error *err)
{
    sg_out *out;
    sg_buf page = SG_BUF_INIT;
    if (!sg_out_open(&out, path, err)) return false;
    sg_buf_puts(&page, head);
    put_about(&page, words, answers, n);
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        ok = put_answer(&page, words, &answers[i], max_pixels, err) &&
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

bool sg_answers_html(const char *path, const sg_answer *answers, size_t n, uint64_t max_pixels, sg_error *err)
{
    return put_sheet(path, &words_of_answers, answers, n, max_pixels, err);
}

bool sg_groups_html(const char *path, const sg_answer *groups, size_t n, uint64_t max_pixels, sg_error *err)
{
    return put_sheet(path, &words_of_groups, groups, n, max_pixels, err);
}
