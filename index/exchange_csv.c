/* CSV (RFC 4180), with a header that names the columns. */
#include "exchange_impl.h"

#include <inttypes.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>

/* In the order of sg_row_text's fields, then the attributes. */
static const char *const columns[] = {"id",   "path",     "path_hex", "code",      "content",
                                      "size", "mtime_ns", "foreign",  "attributes"};
enum { ID, PATH, PATH_HEX, CODE, CONTENT, SIZE, MTIME_NS, FOREIGN, ATTRIBUTES, COLUMNS };
#define FIELDS_MAX 64 /* of a line, ours or not */

/* --- writing --- */

/* A pair a line, in one quoted field: neither keys nor values hold a line feed. */
static void put_attributes(sg_buf *field, const sg_item *item)
{
    const char *key, *value;
    for (size_t at = 0; sg_attributes_next(&key, &value, item->attributes, item->attributes_nbytes, &at);)
        sg_buf_printf(field, "%s%s=%s", field->size ? "\n" : "", key, value);
}

static bool put_csv(sg_buf *line, const sg_item *item, size_t code_nbytes, sg_error *err)
{
    char code[SG_BITS_MAX / 4 + 1], content[2 * SG_CONTENT_NBYTES + 1], *hex;
    sg_buf attributes = SG_BUF_INIT, path = SG_BUF_INIT;
    sg_hex(code, item->code, code_nbytes);
    if (!item->path) {
        sg_buf_printf(line, "%" PRIu64 ",,,%s,,,,,\r\n", item->id, code);
        return true;
    }
    size_t npath = strlen(item->path);
    bool exact = sg_utf8_valid(item->path, npath);
    if (!(hex = sg_calloc(npath + 1, 2))) return sg_fail_memory(err, item->path);
    if (!exact) sg_hex(hex, item->path, npath);
    sg_hex(content, item->content, SG_CONTENT_NBYTES);
    put_attributes(&attributes, item);
    sg_buf_put_utf8(&path, item->path);
    sg_buf_printf(line, "%" PRIu64 ",", item->id);
    sg_buf_put_csv(line, sg_buf_text(&path));
    sg_buf_printf(line, ",%s,%s,%s,%" PRIu64 ",%" PRId64 ",%s,", hex, code, content, item->nbytes,
                  item->mtime_ns, item->foreign ? "1" : "");
    sg_buf_put_csv(line, sg_buf_text(&attributes));
    sg_buf_puts(line, "\r\n");
    bool ok = sg_buf_ok(&attributes) && sg_buf_ok(&path) ? true : sg_fail_memory(err, item->path);
    sg_buf_clear(&attributes);
    sg_buf_clear(&path);
    sg_free(hex);
    return ok;
}

static bool save(uint64_t *n, sg_store *store, const char *path, const char *ids_path, sg_error *err)
{
    (void)ids_path;
    sg_buf head = SG_BUF_INIT;
    for (size_t i = 0; i < COLUMNS; i++) sg_buf_printf(&head, "%s%s", i ? "," : "", columns[i]);
    sg_buf_puts(&head, "\r\n");
    bool ok = sg_buf_ok(&head) ? true : sg_fail_memory(err, path);
    ok = ok && sg_rows_save(n, store, path, head.data, put_csv, err);
    sg_buf_clear(&head);
    return ok;
}

/* --- reading --- */

typedef struct csv {
    const sg_document *doc;
    const char *at, *end;
    uint64_t line; /* of the file, on which the row began */
    uint64_t next; /* on which the next one begins */
    sg_buf text;   /* the row's fields, each with a NUL */
    size_t starts[FIELDS_MAX], n;
    int column[FIELDS_MAX]; /* ours, or -1 */
    size_t ncolumns;        /* of the header */
} csv;

static bool fault(const csv *c, const char *what, sg_error *err)
{
    return sg_fail(err, SG_ERR_FORMAT, "%s: line %" PRIu64 ": %s", c->doc->path, c->line, what);
}

/* The rest of a quoted field. */
static bool take_quoted(csv *c, sg_error *err)
{
    for (;;) {
        const char *quote = memchr(c->at, '"', (size_t)(c->end - c->at));
        if (!quote) return fault(c, "a quote that does not end", err);
        for (const char *s = c->at; s < quote; s++) c->next += *s == '\n';
        sg_buf_put(&c->text, c->at, (size_t)(quote - c->at));
        c->at = quote + 1;
        if (c->at == c->end || *c->at != '"') break;
        sg_buf_puts(&c->text, "\"");
        c->at++;
    }
    if (c->at == c->end || strchr(",\r\n", *c->at)) return true;
    return fault(c, "text behind a quote", err);
}

static bool take_field(csv *c, sg_error *err)
{
    if (c->n == FIELDS_MAX) return fault(c, "too many fields", err);
    c->starts[c->n++] = c->text.size;
    if (c->at < c->end && *c->at == '"') {
        c->at++;
        if (!take_quoted(c, err)) return false;
    } else {
        size_t length = 0;
        while (c->at + length < c->end && !strchr(",\r\n\"", c->at[length])) length++;
        sg_buf_put(&c->text, c->at, length);
        c->at += length;
        if (c->at < c->end && *c->at == '"') return fault(c, "a quote within a field", err);
    }
    sg_buf_put(&c->text, "", 1);
    return sg_buf_ok(&c->text) ? true : sg_fail_memory(err, c->doc->path);
}

/* The next row's fields; none at the end. */
static bool take_row(csv *c, sg_error *err)
{
    c->text.size = c->n = 0;
    c->line = c->next;
    if (c->at == c->end) return true;
    for (bool more = true; more;) {
        if (!take_field(c, err)) return false;
        more = c->at < c->end && *c->at == ',';
        c->at += more;
    }
    if (c->at < c->end && *c->at == '\r') c->at++;
    if (c->at < c->end && *c->at != '\n') return fault(c, "a carriage return within a line", err);
    c->at += c->at < c->end;
    c->next++;
    return true;
}

static bool take_header(csv *c, sg_error *err)
{
    bool seen[COLUMNS] = {false};
    if (!take_row(c, err)) return false;
    for (size_t i = 0; i < c->n; i++) {
        c->column[i] = -1;
        for (int k = 0; k < COLUMNS; k++)
            if (strcmp(c->text.data + c->starts[i], columns[k]) == 0) c->column[i] = k;
        if (c->column[i] < 0) continue; /* of others: passed over */
        if (seen[c->column[i]]) return fault(c, "a column that is there twice", err);
        seen[c->column[i]] = true;
    }
    c->ncolumns = c->n;
    return seen[CODE] ? true : fault(c, "a header is needed, with a column \"code\"", err);
}

/* Pairs of the field, which is parted in place. */
static bool take_attributes(sg_row *row, const csv *c, char *field, sg_error *err)
{
    sg_error why;
    for (char *pair = field, *next; *pair; pair = next) {
        next = pair + strcspn(pair, "\n");
        if (*next) *next++ = '\0';
        if (sg_attributes_parse_add(&row->attributes, pair, &why)) continue;
        if (why.code != SG_ERR_MEMORY) return fault(c, why.message, err);
        if (err) *err = why;
        return false;
    }
    return true;
}

static bool give_row(const sg_rows *rows, csv *c, sg_error *err)
{
    sg_row row = SG_ROW_INIT;
    char *fields[COLUMNS] = {NULL};
    const char *what = NULL;
    if (c->n != c->ncolumns) return fault(c, "another number of fields than the header has", err);
    for (size_t i = 0; i < c->n; i++)
        if (c->column[i] >= 0) fields[c->column[i]] = c->text.data + c->starts[i];
    sg_row_text text = {fields[ID],      fields[PATH], fields[PATH_HEX], fields[CODE],
                        fields[CONTENT], fields[SIZE], fields[MTIME_NS], fields[FOREIGN]};
    bool ok = (!fields[ATTRIBUTES] || take_attributes(&row, c, fields[ATTRIBUTES], err)) &&
              sg_row_fill(&row, &what, &text, rows->nbits, err);
    if (ok && what) ok = fault(c, what, err);
    ok = ok && rows->item(rows->context, &row.item, err);
    sg_row_clear(&row);
    return ok;
}

static bool load(const sg_rows *rows, const sg_document *doc, sg_error *err)
{
    csv c = {.doc = doc, .at = doc->bytes, .end = doc->bytes + doc->nbytes, .next = 1, .text = SG_BUF_INIT};
    if (memchr(doc->bytes, '\0', doc->nbytes))
        return sg_fail(err, SG_ERR_FORMAT, "%s: a byte of value 0: no CSV", doc->path);
    bool ok = take_header(&c, err);
    while (ok && c.at < c.end) {
        ok = sg_interrupt_check(err) && take_row(&c, err);
        if (ok && c.n == 1 && !c.text.data[c.starts[0]]) continue; /* an empty line */
        ok = ok && give_row(rows, &c, err);
    }
    sg_buf_clear(&c.text);
    return ok;
}

const sg_format sg_format_csv = {"csv", ".csv", false, save, load};
