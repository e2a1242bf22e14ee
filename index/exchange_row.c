/* What the formats of text share: a row's fields into an item, and every item into lines. */
#include "exchange_impl.h"

#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>

void sg_row_clear(sg_row *row)
{
    sg_buf_clear(&row->path);
    sg_attributes_clear(&row->attributes);
}

static bool given(const char *text)
{
    return text && *text;
}

/* Decimal, from 0 (or below it with `negative`) within 63 bits. */
static bool whole(int64_t *value, const char *text, bool negative)
{
    return sg_parse_int(value, text) && (negative || *value >= 0);
}

static bool fill_path(sg_row *row, const char **fault, const sg_row_text *text, sg_error *err)
{
    row->path.size = 0;
    if (given(text->path_hex)) { /* the exact bytes, where the path is no UTF-8 */
        size_t n = strlen(text->path_hex) / 2;
        char *bytes = sg_calloc(n + 1, 1);
        if (!bytes) return sg_fail_memory(err, "a path");
        if (!sg_unhex(bytes, n, text->path_hex) || memchr(bytes, '\0', n))
            *fault = "path_hex is not the hex of a path";
        sg_buf_puts(&row->path, bytes);
        sg_free(bytes);
    } else if (given(text->path)) {
        sg_buf_puts(&row->path, text->path);
    } else {
        return true;
    }
    if (!sg_buf_ok(&row->path)) return sg_fail_memory(err, "a path");
    row->item.path = sg_buf_text(&row->path);
    if (!*fault && row->item.path[0] != '/') *fault = "the path is not absolute";
    return true;
}

/* What only an item with a path has: all of it, or it would be taken for another picture at the next look. */
static const char *fill_file(sg_row *row, const sg_row_text *text)
{
    int64_t size;
    if (!given(text->content) || !sg_unhex(row->item.content, SG_CONTENT_NBYTES, text->content))
        return "content is not 32 hex digits";
    if (!given(text->size) || !whole(&size, text->size, false)) return "size is not a number of bytes";
    if (!given(text->mtime_ns) || !whole(&row->item.mtime_ns, text->mtime_ns, true))
        return "mtime_ns is not a number of nanoseconds";
    if (given(text->foreign) && strcmp(text->foreign, "1") != 0) return "foreign is neither 1 nor empty";
    row->item.nbytes = (uint64_t)size;
    row->item.foreign = given(text->foreign);
    row->item.attributes = row->attributes.data;
    row->item.attributes_nbytes = row->attributes.nbytes;
    return NULL;
}

bool sg_row_fill(sg_row *row, const char **fault, const sg_row_text *text, size_t nbits, sg_error *err)
{
    int64_t id = 0;
    *fault = NULL;
    row->item = (sg_item){.code = row->code};
    if (given(text->id) && (!whole(&id, text->id, false) || id == 0)) *fault = "id is not a number above 0";
    row->item.id = (uint64_t)id;
    if (!given(text->code))
        *fault = "has no code";
    else if (!sg_unhex(row->code, nbits / 8, text->code))
        *fault = "code is not the hex of a code of the index";
    if (!fill_path(row, fault, text, err)) return false;
    if (*fault) return true;
    if (row->item.path)
        *fault = fill_file(row, text);
    else if (given(text->content) || given(text->size) || given(text->mtime_ns) || given(text->foreign) ||
             row->attributes.nbytes > 0)
        *fault = "has no path, but what only an item with a path has";
    return true;
}

/* --- writing --- */

typedef struct saving {
    sg_out *out;
    sg_buf line;
    sg_row_put put;
    size_t code_nbytes;
    const char *path;
    uint64_t n;
} saving;

static bool save_item(void *context, const sg_item *item, sg_error *err)
{
    saving *s = context;
    s->line.size = 0;
    s->n++;
    if (!sg_interrupt_check(err) || !s->put(&s->line, item, s->code_nbytes, err)) return false;
    if (!sg_buf_ok(&s->line)) return sg_fail_memory(err, s->path);
    return sg_out_write(s->out, s->line.data, s->line.size, err);
}

bool sg_rows_save(uint64_t *n, sg_store *store, const char *path, const char *first_line, sg_row_put put,
                  sg_error *err)
{
    saving s = {.line = SG_BUF_INIT, .put = put, .path = path};
    sg_store_info info;
    if (!sg_store_info_get(&info, store, err)) return false;
    s.code_nbytes = info.nbits / 8;
    sg_store_info_clear(&info);
    if (!sg_out_open(&s.out, path, err)) return false;
    bool ok =
        sg_out_write(s.out, first_line, strlen(first_line), err) && sg_store_each(store, save_item, &s, err);
    if (ok)
        ok = sg_out_commit(s.out, err);
    else
        sg_out_abort(s.out);
    sg_buf_clear(&s.line);
    *n = s.n;
    return ok;
}
