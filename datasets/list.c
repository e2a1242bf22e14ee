/* list:DIR, the lists of published protocols: train.txt, query.txt or test.txt, database.txt and val.txt of DIR, one
 * "path labels..." a line; classes.txt, if it is there, names the classes. A line is split from the right, since paths
 * may hold spaces. */
#include "dataset_impl.h"

#include <signet/file.h>
#include <signet/hash.h>
#include <signet/mem.h>
#include <string.h>

#define LIST_MAX_NBYTES ((size_t)1 << 31)
#define CLASSES_MAX     ((int64_t)1 << 20)

typedef enum { UNKNOWN, NUMBERS, ROWS } label_form;

static const struct {
    const char *name;
    unsigned subset;
} list_files[] = {{"train.txt", SG_SUBSET_TRAIN},
                  {"query.txt", SG_SUBSET_QUERY},
                  {"test.txt", SG_SUBSET_QUERY},
                  {"database.txt", SG_SUBSET_DATABASE},
                  {"val.txt", SG_SUBSET_VAL}};
#define NLIST_FILES (sizeof list_files / sizeof *list_files)

typedef struct reader {
    sg_dataset *ds;
    const char *root; /* what the paths are relative to */
    label_form form;
    bool labelled;   /* a line had a label */
    size_t width;    /* labels of a line: 1, or the width of its row */
    int32_t *labels; /* (n, width) in the order of the items; a class number is -1 for none */
    size_t labels_cap;
    uint32_t *slots;  /* hash table of item number + 1, by name; 0: free */
    size_t nslots;    /* a power of two */
    char *names_text; /* of classes.txt; the names point into it */
    const char **names;
    size_t nnames;
    const char *file; /* where we are, for messages */
    size_t line;
} reader;

static bool fail_line(const reader *r, sg_error *err, const char *what)
{
    return sg_fail(err, SG_ERR_FORMAT, "%s:%zu: %s", r->file, r->line, what);
}

/* The slot of a name: its item's, or the free one where it belongs. */
static size_t find_slot(const reader *r, const char *name)
{
    size_t slot = (size_t)sg_xxh3_64(name, strlen(name)) & (r->nslots - 1);
    while (r->slots[slot] && strcmp(r->ds->names[r->slots[slot] - 1], name) != 0)
        slot = (slot + 1) & (r->nslots - 1);
    return slot;
}

static bool grow_slots(reader *r, sg_error *err)
{
    if (2 * (r->ds->n + 1) <= r->nslots) return true;
    size_t nslots = r->nslots ? 2 * r->nslots : 1024;
    uint32_t *slots = sg_calloc(nslots, sizeof *slots);
    if (!slots) return sg_fail_memory(err, "list");
    sg_free(r->slots);
    r->slots = slots;
    r->nslots = nslots;
    for (size_t i = 0; i < r->ds->n; i++) slots[find_slot(r, r->ds->names[i])] = (uint32_t)i + 1;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts the last field off the text of *length bytes when it is a number and leaves something before it. */
static bool cut_number(int64_t *value, const char *text, size_t *length)
{
    size_t end = *length, start = end;
    int64_t v = 0;
    while (start > 0 && text[start - 1] >= '0' && text[start - 1] <= '9') start--;
    if (start == end || end - start > 9 || start == 0 || !is_blank(text[start - 1])) return false;
    for (size_t i = start; i < end; i++) v = 10 * v + (text[i] - '0');
    while (start > 0 && is_blank(text[start - 1])) start--;
    if (start == 0) return false;
    *value = v;
    *length = start;
    return true;
}

/* The width of the row at the end of a line: two numbers or more, all 0 or 1; else 0. */
static size_t row_width(const char *text, size_t length)
{
    size_t n = 0;
    for (int64_t value; cut_number(&value, text, &length); n++)
        if (value > 1) return 0;
    return n >= 2 ? n : 0;
}

static bool cut_row(reader *r, int32_t *labels, const char *text, size_t *length, sg_error *err)
{
    for (size_t i = r->width; i-- > 0;) {
        int64_t value;
        if (!cut_number(&value, text, length))
            return fail_line(r, err, "fewer labels than the first line of the lists has");
        if (value > 1) return fail_line(r, err, "a label of a row is neither 0 nor 1");
        labels[i] = (int32_t)value;
    }
    return true;
}

/* Cuts the labels off a line into the place after those of the items so far. The first line shows the form: rows, or
 * a class number for each that has one. */
static bool cut_labels(reader *r, const char *text, size_t *length, sg_error *err)
{
    size_t row = r->labelled ? 0 : row_width(text, *length);
    if (row && r->form == NUMBERS)
        return fail_line(r, err, "a row of labels, where the lines before have none");
    if (r->form == UNKNOWN) {
        r->form = row ? ROWS : NUMBERS;
        r->width = row ? row : 1;
    }
    size_t done = r->ds->n * r->width;
    if (!sg_grow(&r->labels, &r->labels_cap, done + r->width, sizeof *r->labels))
        return sg_fail_memory(err, "list");
    if (r->form == ROWS) {
        r->labelled = true;
        return cut_row(r, r->labels + done, text, length, err);
    }
    int64_t value = -1;
    if (cut_number(&value, text, length)) r->labelled = true;
    if (value >= CLASSES_MAX) return fail_line(r, err, "class number is larger than 1048575");
    r->labels[done] = (int32_t)value;
    return true;
}

/* text is NUL-terminated at its length; it is changed. */
static bool read_line(reader *r, char *text, size_t length, unsigned subset, sg_error *err)
{
    while (length > 0 && is_blank(text[length - 1])) length--;
    if (length == 0) return true;
    if (memchr(text, 0, length)) return fail_line(r, err, "a byte of value 0: no list");
    if (!cut_labels(r, text, &length, err) || !grow_slots(r, err)) return false;
    text[length] = 0;
    while (text[0] == '.' && text[1] == '/') text += 2;
    if (!*text) return fail_line(r, err, "no path");

    sg_dataset *ds = r->ds;
    size_t slot = find_slot(r, text);
    if (!r->slots[slot]) {
        if (!sg_dataset_add(ds, r->root, text, subset, err)) return false;
        r->slots[slot] = (uint32_t)ds->n;
        return true;
    }
    size_t item = r->slots[slot] - 1;
    ds->subsets[item] |= (uint8_t)subset;
    if (memcmp(r->labels + item * r->width, r->labels + ds->n * r->width, r->width * sizeof *r->labels) == 0)
        return true;
    return sg_fail(err, SG_ERR_FORMAT, "%s:%zu: '%s' has other labels than before", r->file, r->line, text);
}

static bool read_list(reader *r, const char *path, unsigned subset, sg_error *err)
{
    char *text;
    size_t nbytes;
    if (!sg_file_read(&text, &nbytes, path, LIST_MAX_NBYTES, err)) return false;
    r->file = path;
    r->line = 0;
    bool ok = true;
    for (size_t at = 0; ok && at < nbytes;) {
        char *end = memchr(text + at, '\n', nbytes - at);
        size_t length = end ? (size_t)(end - text) - at : nbytes - at;
        text[at + length] = 0;
        r->line++;
        ok = read_line(r, text + at, length, subset, err);
        at += length + 1;
    }
    sg_free(text);
    return ok;
}

static bool read_lists(reader *r, const char *dir, sg_error *err)
{
    const char *seen[NLIST_FILES] = {0};
    size_t nseen = 0;
    for (size_t i = 0; i < NLIST_FILES; i++) {
        char *path;
        if (!sg_path_join(&path, dir, list_files[i].name, err)) return false;
        bool there = sg_path_exists(path), ok = true;
        for (size_t j = 0; there && ok && j < i; j++)
            if (seen[j] && list_files[j].subset == list_files[i].subset)
                ok = sg_fail(err, SG_ERR_USAGE, "%s: both %s and %s are there", dir, seen[j],
                             list_files[i].name);
        if (there && ok) {
            seen[i] = list_files[i].name;
            nseen++;
            ok = read_list(r, path, list_files[i].subset, err);
        }
        sg_free(path);
        if (!ok) return false;
    }
    if (nseen == 0)
        return sg_fail(err, SG_ERR_NOT_FOUND,
                       "%s: none of train.txt, query.txt, test.txt, database.txt, val.txt is there", dir);
    if (r->ds->n == 0) return sg_fail(err, SG_ERR_FORMAT, "%s: the lists are empty", dir);
    return true;
}

/* The lines of classes.txt; none where it is not there. */
static bool read_names(reader *r, const char *dir, sg_error *err)
{
    char *path;
    if (!sg_path_join(&path, dir, "classes.txt", err)) return false;
    size_t nbytes, cap = 0;
    bool ok = !sg_path_exists(path) || sg_file_read(&r->names_text, &nbytes, path, LIST_MAX_NBYTES, err);
    sg_free(path);
    if (!ok || !r->names_text) return ok;
    char *rest = NULL;
    for (char *line = strtok_r(r->names_text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        if (!sg_grow(&r->names, &cap, r->nnames + 1, sizeof *r->names))
            return sg_fail_memory(err, "class names");
        r->names[r->nnames++] = line;
    }
    return true;
}

/* How many classes there are, by the labels and by classes.txt, which may name more than the lists show. */
static bool count_classes(size_t *classes, const reader *r, const char *dir, sg_error *err)
{
    *classes = r->form == ROWS ? r->width : 0;
    for (size_t i = 0; r->form == NUMBERS && i < r->ds->n; i++)
        if (r->labels[i] >= (int32_t)*classes) *classes = (size_t)r->labels[i] + 1;
    if (!r->names) return true;
    if (r->nnames < *classes || (r->form == ROWS && r->nnames > *classes))
        return sg_fail(err, SG_ERR_FORMAT, "%s/classes.txt has %zu names for the %zu classes of the lists",
                       dir, r->nnames, *classes);
    *classes = r->nnames;
    return true;
}

/* Rows with a single 1 each are class numbers in another dress. */
static bool rows_are_numbers(const reader *r)
{
    for (size_t i = 0; i < r->ds->n; i++) {
        int sum = 0;
        for (size_t c = 0; c < r->width; c++) sum += r->labels[i * r->width + c];
        if (sum != 1) return false;
    }
    return true;
}

static bool set_labels(reader *r, const char *dir, sg_error *err)
{
    sg_dataset *ds = r->ds;
    bool rows = r->form == ROWS, multi = rows && !rows_are_numbers(r);
    size_t classes;
    if (r->labelled && !read_names(r, dir, err)) return false;
    if (!count_classes(&classes, r, dir, err) || !sg_labels_init(&ds->labels, ds->n, classes, multi, err))
        return false;
    for (size_t i = 0; i < ds->n; i++) {
        const int32_t *labels = r->labels + i * r->width;
        if (!rows) ds->labels.ids[i] = labels[0];
        for (size_t c = 0; rows && c < r->width; c++) {
            if (multi)
                ds->labels.rows[i * classes + c] = (uint8_t)labels[c];
            else if (labels[c])
                ds->labels.ids[i] = (int32_t)c;
        }
    }
    return sg_dataset_set_classes(ds, r->names, err);
}

static bool open_set(sg_dataset *ds, const char *dir, const char *data_dir, sg_error *err)
{
    reader r = {.ds = ds, .root = data_dir ? data_dir : dir};
    bool ok = read_lists(&r, dir, err) && set_labels(&r, dir, err);
    sg_free(r.names);
    sg_free(r.names_text);
    sg_free(r.labels);
    sg_free(r.slots);
    return ok;
}

const sg_dataset_kind sg_dataset_list = {
    .takes_dir = true,
    .protocol = "list",
    .open = open_set,
};
