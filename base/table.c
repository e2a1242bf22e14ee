#include <signet/table.h>

#include <errno.h>
#include <signet/buf.h>
#include <signet/kv.h>
#include <signet/mem.h>
#include <string.h>

struct sg_table {
    size_t columns;
    char **cells; /* rows of `columns`, the heads first */
    size_t n, cap;
    bool failed;
};

static void cell_put(sg_table *table, char *text)
{
    if (text && !table->failed && sg_grow(&table->cells, &table->cap, table->n + 1, sizeof *table->cells)) {
        table->cells[table->n++] = text;
        return;
    }
    sg_free(text);
    table->failed = true;
}

sg_table *sg_table_new(size_t columns, const char *const *heads)
{
    SG_ASSERT(columns > 0);
    sg_table *table = sg_calloc(1, sizeof *table);
    if (!table) return NULL;
    table->columns = columns;
    for (size_t c = 0; c < columns; c++) cell_put(table, sg_strdup(heads[c]));
    if (!table->failed) return table;
    sg_table_free(table);
    return NULL;
}

void sg_table_cell(sg_table *table, const char *format, ...)
{
    sg_buf text = SG_BUF_INIT, cell = SG_BUF_INIT;
    va_list args;
    va_start(args, format);
    sg_buf_vprintf(&text, format, args);
    va_end(args);
    sg_buf_put_line(&cell, sg_buf_text(&text)); /* a row stays a line */
    cell_put(table, sg_buf_ok(&text) && sg_buf_ok(&cell) ? sg_strdup(sg_buf_text(&cell)) : NULL);
    sg_buf_clear(&cell);
    sg_buf_clear(&text);
}

/* Characters of a UTF-8 text: bytes that do not go on with another. */
static size_t text_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++) width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/* "-" and an empty cell stand for a number that is not there. */
static bool is_number(const char *text)
{
    double value;
    return *text == '\0' || strcmp(text, "-") == 0 || sg_parse_fraction(&value, text);
}

static void put_cell(sg_buf *line, const char *text, size_t width, bool right)
{
    int blanks = (int)(width - text_width(text));
    sg_buf_printf(line, "%*s%s%*s", right ? blanks : 0, "", text, right ? 0 : blanks, "");
}

/* The line of cells [first, first + columns), as far as they are there. */
static void put_line(sg_buf *all, const sg_table *table, size_t first, const size_t *widths,
                     const bool *right)
{
    for (size_t c = 0; c < table->columns; c++) {
        if (c > 0) sg_buf_puts(all, "  ");
        put_cell(all, first + c < table->n ? table->cells[first + c] : "", widths[c], right[c]);
    }
    while (all->size > 0 && all->data[all->size - 1] == ' ') all->size--;
    sg_buf_puts(all, "\n");
}

static void put_rule(sg_buf *all, const sg_table *table, const size_t *widths)
{
    for (size_t c = 0; c < table->columns; c++) {
        if (c > 0) sg_buf_puts(all, "  ");
        for (size_t i = 0; i < widths[c]; i++) sg_buf_puts(all, "-");
    }
    sg_buf_puts(all, "\n");
}

bool sg_table_print(const sg_table *table, FILE *out, sg_error *err)
{
    sg_buf all = SG_BUF_INIT;
    size_t *widths = sg_calloc(table->columns, sizeof *widths);
    bool *right = sg_calloc(table->columns, sizeof *right), ok = false;
    if (!widths || !right || table->failed) {
        sg_fail_memory(err, "table");
        goto done;
    }
    for (size_t c = 0; c < table->columns; c++) {
        right[c] = table->n > table->columns;
        for (size_t i = c; i < table->n; i += table->columns) {
            size_t width = text_width(table->cells[i]);
            if (width > widths[c]) widths[c] = width;
            if (i >= table->columns && !is_number(table->cells[i])) right[c] = false;
        }
    }
    put_line(&all, table, 0, widths, right);
    put_rule(&all, table, widths);
    for (size_t i = table->columns; i < table->n; i += table->columns)
        put_line(&all, table, i, widths, right);
    if (!sg_buf_ok(&all))
        sg_fail_memory(err, "table");
    else if (fwrite(all.data, 1, all.size, out) != all.size)
        sg_fail_errno(err, errno, "cannot write the table");
    else
        ok = true;
done:
    sg_buf_clear(&all);
    sg_free(right);
    sg_free(widths);
    return ok;
}

void sg_table_free(sg_table *table)
{
    if (!table) return;
    for (size_t i = 0; i < table->n; i++) sg_free(table->cells[i]);
    sg_free(table->cells);
    sg_free(table);
}
