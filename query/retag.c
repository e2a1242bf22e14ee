/* Attributes of many items at a time. */
#include "batch_impl.h"

#include <signet/edit.h>
#include <signet/file.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>

typedef struct retagging {
    sg_batch batch;
    uint64_t pending; /* changed in the open batch */
    uint64_t *changed;
    bool dry_run;
} retagging;

static bool add_all(sg_attributes *a, const sg_attributes *more, sg_error *err)
{
    const char *key, *value;
    size_t at = 0;
    while (more && sg_attributes_next(&key, &value, more->data, more->nbytes, &at))
        if (!sg_attributes_add(a, key, value, err)) return false;
    return true;
}

/* "key" or "key=value". */
static bool drop(sg_attributes *a, const char *text, sg_error *err)
{
    const char *equals = strchr(text, '=');
    char *key = sg_strdup(text);
    if (!key) return sg_fail_memory(err, "attributes");
    if (equals) key[equals - text] = '\0';
    sg_attributes_drop(a, key, equals ? equals + 1 : NULL);
    sg_free(key);
    return true;
}

static bool commit(retagging *r, sg_error *err)
{
    if (!sg_batch_commit(&r->batch, err)) return false;
    *r->changed += r->pending;
    r->pending = 0;
    return true;
}

/* The item's attributes as they are to be; equal to what they are: nothing is written. */
static bool retag_item(retagging *r, uint64_t id, const sg_retag *retag, const sg_attributes *more,
                       sg_error *err)
{
    sg_store *store = r->batch.store;
    sg_attributes a = SG_ATTRIBUTES_INIT;
    sg_item item;
    char *path;
    if (!sg_interrupt_check(err) || !sg_store_get(&item, &path, store, id, err)) return false;
    bool ok =
        path || sg_fail(err, SG_ERR_USAGE, "item %llu is a code without a picture: it has no attributes",
                        (unsigned long long)id);
    ok = ok && sg_attributes_set(&a, item.attributes, item.attributes_nbytes, err);
    for (size_t i = 0; ok && i < retag->nremove; i++) ok = drop(&a, retag->remove[i], err);
    ok = ok && add_all(&a, retag->add, err) && add_all(&a, more, err);
    bool same = ok && a.nbytes == item.attributes_nbytes &&
                (a.nbytes == 0 || memcmp(a.data, item.attributes, a.nbytes) == 0);
    if (ok && !same) {
        ok = r->dry_run ||
             (sg_batch_change(&r->batch, err) && sg_store_set_attributes(store, id, a.data, a.nbytes, err));
        r->pending += ok;
    }
    sg_attributes_clear(&a);
    sg_free(path);
    return ok && (!sg_batch_due(&r->batch) || commit(r, err));
}

/* What an interrupt leaves in the open batch is sound: it is kept. */
static bool finish(retagging *r, bool ok, const sg_error *why, sg_error *err)
{
    sg_error last = *why;
    if (ok || why->code == SG_ERR_INTERRUPTED) {
        sg_error failed;
        if (!commit(r, &failed)) {
            ok = false;
            last = failed;
        }
    }
    sg_batch_abort(&r->batch);
    if (!ok && err) *err = last;
    return ok;
}

bool sg_retag_items(uint64_t *changed, sg_store *store, const uint64_t *ids, size_t n, const sg_retag *retag,
                    sg_error *err)
{
    sg_error why = {SG_OK, ""};
    retagging r = {.batch = {.store = store}, .changed = changed, .dry_run = retag->dry_run};
    bool ok = true;
    *changed = 0;
    for (size_t i = 0; ok && i < n; i++) ok = retag_item(&r, ids[i], retag, NULL, &why);
    return finish(&r, ok, &why, err);
}

/* --- lines --- */

typedef struct line {
    uint64_t id;
    sg_attributes add;
} line;

typedef struct lines {
    line *v;
    size_t n, cap;
} lines;

static void lines_clear(lines *list)
{
    for (size_t i = 0; i < list->n; i++) sg_attributes_clear(&list->v[i].add);
    sg_free(list->v);
}

static bool find_item(uint64_t *id, sg_store *store, const char *given, sg_error *err)
{
    char *path;
    bool found;
    if (!sg_path_absolute(&path, given, err)) return false;
    bool ok = sg_store_find_path(id, &found, store, path, err);
    if (ok && !found) ok = sg_fail(err, SG_ERR_NOT_FOUND, "%s: is not in the index", path);
    sg_free(path);
    return ok;
}

/* Takes a line apart. */
static bool add_line(lines *list, sg_store *store, char *text, sg_error *err)
{
    char *tab = strchr(text, '\t');
    if (!sg_grow(&list->v, &list->cap, list->n + 1, sizeof *list->v)) return sg_fail_memory(err, "lines");
    line *l = &list->v[list->n++];
    *l = (line){.add = SG_ATTRIBUTES_INIT};
    if (tab) *tab++ = '\0';
    if (!find_item(&l->id, store, text, err)) return false;
    for (char *pair = tab, *next; pair; pair = next) {
        next = strchr(pair, '\t');
        if (next) *next++ = '\0';
        if (!sg_attributes_parse_add(&l->add, pair, err)) return false;
    }
    return true;
}

static bool parse_lines(lines *list, sg_store *store, const char *name, char *text, size_t nbytes,
                        sg_error *err)
{
    size_t number = 0;
    for (char *at = text, *next; at < text + nbytes; at = next) {
        size_t left = (size_t)(text + nbytes - at);
        char *end = memchr(at, '\n', left);
        next = end ? end + 1 : at + left;
        if (end) *end = '\0'; /* a last line without one: the text has a NUL behind it */
        number++;
        if (memchr(at, '\0', (size_t)((end ? end : next) - at)))
            return sg_fail(err, SG_ERR_USAGE, "%s: line %zu: a byte of value 0", name, number);
        if (!sg_interrupt_check(err)) return false;
        if (*at && !add_line(list, store, at, err)) return sg_prefix(err, "%s: line %zu", name, number);
    }
    return true;
}

bool sg_retag_lines(uint64_t *changed, sg_store *store, const char *name, char *text, size_t nbytes,
                    const sg_retag *retag, sg_error *err)
{
    sg_error why = {SG_OK, ""};
    lines list = {0};
    retagging r = {.batch = {.store = store}, .changed = changed, .dry_run = retag->dry_run};
    *changed = 0;
    bool ok = parse_lines(&list, store, name, text, nbytes, &why);
    for (size_t i = 0; ok && i < list.n; i++) ok = retag_item(&r, list.v[i].id, retag, &list.v[i].add, &why);
    lines_clear(&list);
    return finish(&r, ok, &why, err);
}
