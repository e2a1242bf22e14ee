#include <signet/edit.h>

#include "files_impl.h"
#include <inttypes.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <stdlib.h>

typedef struct selection {
    uint64_t *ids;
    size_t n, cap;
    char **folders; /* absolute paths at which there is no item; owned */
    size_t nfolders;
    bool *hit;       /* is there an item below the folder? */
    uint64_t *named; /* without folders: ids that were named or found by their path */
    size_t nnamed, at;
    const sg_where *where;
    bool all; /* nothing is named: every item */
    bool pictures;
} selection;

static bool add_id(selection *s, uint64_t id, sg_error *err)
{
    if (!sg_grow(&s->ids, &s->cap, s->n + 1, sizeof *s->ids)) return sg_fail_memory(err, "ids");
    s->ids[s->n++] = id;
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void drop_repeated(selection *s)
{
    size_t kept = 0;
    if (s->n > 1) qsort(s->ids, s->n, sizeof *s->ids, compare_ids);
    for (size_t i = 0; i < s->n; i++)
        if (kept == 0 || s->ids[i] != s->ids[kept - 1]) s->ids[kept++] = s->ids[i];
    s->n = kept;
}

/* Each id, and each path at which there is an item; the other paths are folders, or nothing. */
static bool find_named(selection *s, sg_store *store, const sg_select *select, sg_error *err)
{
    for (size_t i = 0; i < select->nids; i++) {
        sg_item item;
        char *path;
        if (!sg_store_get(&item, &path, store, select->ids[i], err)) return false;
        sg_free(path);
        if (!add_id(s, select->ids[i], err)) return false;
    }
    for (size_t i = 0; i < select->npaths; i++) {
        char *path;
        uint64_t id;
        bool found;
        if (!sg_path_absolute(&path, select->paths[i], err)) return false;
        bool ok = sg_store_find_path(&id, &found, store, path, err) && (!found || add_id(s, id, err));
        if (ok && !found)
            s->folders[s->nfolders++] = path;
        else
            sg_free(path);
        if (!ok) return false;
    }
    return true;
}

static bool is_named(selection *s, uint64_t id)
{
    while (s->at < s->nnamed && s->named[s->at] < id) s->at++;
    return s->at < s->nnamed && s->named[s->at] == id;
}

static bool see_item(void *context, const sg_item *item, sg_error *err)
{
    selection *s = context;
    bool wanted = s->all ? item->path || !s->pictures : is_named(s, item->id);
    if (!sg_interrupt_check(err)) return false;
    for (size_t i = 0; item->path && i < s->nfolders; i++)
        if (sg_path_within(item->path, s->folders[i])) s->hit[i] = wanted = true;
    if (!wanted || (s->where && !sg_where_holds(s->where, item->attributes, item->attributes_nbytes)))
        return true;
    return add_id(s, item->id, err);
}

/* One pass through the items, when what is named does not say it all. */
static bool find_all(selection *s, sg_store *store, sg_error *err)
{
    drop_repeated(s);
    if (s->nfolders == 0 && !s->where) return true;
    s->named = s->ids;
    s->nnamed = s->n;
    s->ids = NULL;
    s->n = s->cap = 0;
    if (!sg_store_each(store, see_item, s, err)) return false;
    for (size_t i = 0; i < s->nfolders; i++)
        if (!s->hit[i]) return sg_fail(err, SG_ERR_NOT_FOUND, "%s: is not in the index", s->folders[i]);
    return true;
}

bool sg_select_items(uint64_t **ids, size_t *n, sg_store *store, const sg_select *select, sg_error *err)
{
    selection s = {.folders = sg_calloc(select->npaths, sizeof *s.folders),
                   .hit = sg_calloc(select->npaths, sizeof *s.hit),
                   .where = select->where,
                   .all = select->where && select->npaths == 0 && select->nids == 0,
                   .pictures = select->pictures};
    bool ok = s.folders && s.hit ? true : sg_fail_memory(err, "paths");
    ok = ok && find_named(&s, store, select, err) && find_all(&s, store, err);
    for (size_t i = 0; i < s.nfolders; i++) sg_free(s.folders[i]);
    sg_free(s.folders);
    sg_free(s.hit);
    sg_free(s.named);
    if (!ok) {
        sg_free(s.ids);
        return false;
    }
    *ids = s.ids;
    *n = s.n;
    return true;
}

static bool remove_batch(sg_store *store, const uint64_t *ids, size_t n, sg_error *err)
{
    if (!sg_store_begin(store, err)) return false;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) ok = sg_interrupt_check(err) && sg_store_remove(store, ids[i], err);
    if (ok) return sg_store_commit(store, err);
    sg_store_abort(store);
    return false;
}

bool sg_remove_items(size_t *removed, sg_store *store, const uint64_t *ids, size_t n, sg_error *err)
{
    for (*removed = 0; *removed < n;) {
        size_t some = n - *removed < SG_REMOVE_AT_ONCE ? n - *removed : SG_REMOVE_AT_ONCE;
        if (!remove_batch(store, ids + *removed, some, err)) return false;
        *removed += some;
    }
    return true;
}
