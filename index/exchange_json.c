/* JSON lines: one object an item. */
#include "exchange_impl.h"

#include <inttypes.h>
#include <math.h>
#include <signet/interrupt.h>
#include <signet/json.h>
#include <signet/mem.h>
#include <string.h>

#define PAIRS_MAX 10000 /* attributes of an item */

/* --- writing --- */

static bool put_json(sg_buf *line, const sg_item *item, size_t code_nbytes, sg_error *err)
{
    char code[SG_BITS_MAX / 4 + 1], content[2 * SG_CONTENT_NBYTES + 1], time[32], *text;
    sg_json *root = sg_json_object();
    sg_json_add_int(root, "id", (int64_t)item->id);
    if (item->path) sg_json_add_path(root, "path", item->path);
    sg_hex(code, item->code, code_nbytes);
    sg_json_add_string(root, "code", code);
    if (item->path) {
        sg_hex(content, item->content, SG_CONTENT_NBYTES);
        sg_json_add_string(root, "content", content);
        sg_json_add_int(root, "size", (int64_t)item->nbytes);
        sg_json_add_number(root, "mtime", (double)item->mtime_ns / 1e9);
        snprintf(time, sizeof time, "%" PRId64, item->mtime_ns);
        sg_json_add_string(root, "mtime_ns", time); /* more digits than a number in JSON is sure to keep */
        if (item->foreign) sg_json_add_bool(root, "foreign", true);
        sg_json_add_attributes(root, item->attributes, item->attributes_nbytes);
    }
    bool ok = sg_json_print(&text, root, false, err);
    if (ok) {
        sg_buf_puts(line, text);
        sg_buf_puts(line, "\n");
        sg_free(text);
    }
    sg_json_free(root);
    return ok;
}

static bool save(uint64_t *n, sg_store *store, const char *path, const char *ids_path, sg_error *err)
{
    (void)ids_path;
    return sg_rows_save(n, store, path, "", put_json, err);
}

/* --- reading --- */

/* Adds the values of one key; what is wrong with them goes to why. */
static bool take_values(sg_row *row, const char *key, const sg_json *values, size_t *npairs, sg_error *why)
{
    size_t n = sg_json_size(values);
    *npairs += n;
    if (*npairs > PAIRS_MAX) return sg_fail(why, SG_ERR_FORMAT, "more than %d attributes", PAIRS_MAX);
    for (size_t i = 0; i < n; i++) {
        const char *value = sg_json_string(sg_json_at(values, i));
        if (!value) return sg_fail(why, SG_ERR_FORMAT, "attributes are lists of strings");
        if (!sg_attributes_add(&row->attributes, key, value, why)) return false;
    }
    return true;
}

static bool take_hex(sg_row *row, const char *hex, sg_error *why)
{
    size_t n = strlen(hex) / 2;
    const char *key, *value;
    char *bytes = sg_alloc(n, 1);
    if (!bytes) return sg_fail_memory(why, "attributes");
    bool ok = sg_unhex(bytes, n, hex) && !sg_attributes_fault(bytes, n);
    if (!ok) sg_fail(why, SG_ERR_FORMAT, "attributes_hex are no attributes");
    for (size_t at = 0; ok && sg_attributes_next(&key, &value, bytes, n, &at);)
        ok = sg_attributes_add(&row->attributes, key, value, why);
    sg_free(bytes);
    return ok;
}

static bool take_attributes(sg_row *row, const sg_json *root, sg_error *why)
{
    const sg_json *all = sg_json_get(root, "attributes");
    const char *hex = sg_json_string(sg_json_get(root, "attributes_hex"));
    size_t n = sg_json_size(all), npairs = 0;
    bool ok = true;
    if (hex) return take_hex(row, hex, why);
    if (n > PAIRS_MAX) return sg_fail(why, SG_ERR_FORMAT, "more than %d attributes", PAIRS_MAX);
    for (size_t i = 0; ok && i < n; i++) {
        const char *key = sg_json_key(all, i);
        ok = key ? take_values(row, key, sg_json_at(all, i), &npairs, why)
                 : sg_fail(why, SG_ERR_FORMAT, "attributes are no object");
    }
    return ok;
}

/* A number's text, in `text`; NULL when there is none. */
static const char *number(char text[32], const sg_json *root, const char *key)
{
    int64_t value;
    const sg_json *field = sg_json_get(root, key);
    if (!field) return NULL;
    if (sg_json_string(field)) return sg_json_string(field);
    if (!sg_json_int(&value, field)) return "?"; /* which no one takes for a number */
    snprintf(text, 32, "%" PRId64, value);
    return text;
}

/* mtime_ns, or else what mtime says, in seconds. */
static const char *time_of(char text[32], const sg_json *root)
{
    double seconds;
    const char *exact = number(text, root, "mtime_ns");
    if (exact || !sg_json_number(&seconds, sg_json_get(root, "mtime"))) return exact;
    if (fabs(seconds) > 9e9) return "?";
    snprintf(text, 32, "%.0f", floor(seconds) * 1e9 + rint((seconds - floor(seconds)) * 1e9));
    return text;
}

static bool take_line(sg_row *row, const char *line, size_t nbytes, size_t nbits, sg_error *why)
{
    sg_json *root;
    char id[32], size[32], time[32];
    const char *fault;
    bool foreign = false;
    if (!sg_json_parse(&root, line, nbytes, why)) return false;
    sg_json_bool(&foreign, sg_json_get(root, "foreign"));
    sg_row_text text = {.id = number(id, root, "id"),
                        .path = sg_json_string(sg_json_get(root, "path")),
                        .path_hex = sg_json_string(sg_json_get(root, "path_hex")),
                        .code = sg_json_string(sg_json_get(root, "code")),
                        .content = sg_json_string(sg_json_get(root, "content")),
                        .size = number(size, root, "size"),
                        .mtime_ns = time_of(time, root),
                        .foreign = foreign ? "1" : NULL};
    bool ok = take_attributes(row, root, why) && sg_row_fill(row, &fault, &text, nbits, why);
    if (ok && fault) ok = sg_fail(why, SG_ERR_FORMAT, "%s", fault);
    sg_json_free(root);
    return ok;
}

static bool load(const sg_rows *rows, const sg_document *doc, sg_error *err)
{
    const char *end = doc->bytes + doc->nbytes;
    uint64_t number = 0;
    bool ok = true;
    for (const char *line = doc->bytes, *next; ok && line < end; line = next) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        sg_row row = SG_ROW_INIT;
        sg_error why = {SG_OK, ""};
        if (!stop) stop = end;
        next = stop < end ? stop + 1 : end;
        number++;
        if (!sg_interrupt_check(err)) return false;
        if (strspn(line, " \t\r") == (size_t)(stop - line)) continue;
        ok = take_line(&row, line, (size_t)(stop - line), rows->nbits, &why);
        if (!ok && err) {
            *err = why;
            if (why.code != SG_ERR_MEMORY)
                sg_fail(err, SG_ERR_FORMAT, "%s: line %" PRIu64 ": %s", doc->path, number, why.message);
        }
        ok = ok && rows->item(rows->context, &row.item, err);
        sg_row_clear(&row);
    }
    return ok;
}

const sg_format sg_format_jsonl = {"jsonl", ".jsonl", false, save, load};
