/* Leaving broken images out of a split before anything is made of it: what is done then is the same whatever fails when. */
#include "split_impl.h"

#include <signet/loader.h>
#include <signet/mem.h>

enum { BATCH = 64 };

typedef struct part {
    uint32_t *items;
    size_t *n;
} part;
enum { NPARTS = 4 };

static void parts_of(part parts[NPARTS], sg_split *s)
{
    parts[0] = (part){s->query, &s->nquery};
    parts[1] = (part){s->train, &s->ntrain};
    parts[2] = (part){s->database, &s->ndatabase};
    parts[3] = (part){s->val, &s->nval};
}

/* Loads the items and marks the broken ones. */
static bool load(uint8_t *marks, const sg_dataset *ds, const uint32_t *items, size_t n,
                 const sg_preprocess *pp, const sg_broken *broken, sg_error *err)
{
    const sg_loader_options options = {.items = items,
                                       .nitems = n,
                                       .preprocess = *pp,
                                       .batch = BATCH,
                                       .threads = broken->threads,
                                       .tolerant = true};
    sg_loader *loader;
    sg_batch batch = {.n = 0};
    size_t done = 0;
    if (!sg_loader_open(&loader, ds, &options, err)) return false;
    bool ok = sg_loader_start(loader, 0, err);
    while (ok && (ok = sg_loader_next(&batch, loader, err)) && batch.n > 0) {
        for (size_t i = 0; i < batch.n; i++) {
            marks[batch.items[i]] = batch.errors[i].code != SG_OK;
            if (marks[batch.items[i]]) broken->tell(broken->context, &batch.errors[i]);
        }
        done += batch.n;
        if (broken->progress) sg_progress_update(broken->progress, done, NULL);
    }
    sg_loader_close(loader);
    return ok;
}

bool sg_split_drop_broken(sg_split *split, const sg_dataset *ds, const sg_preprocess *pp,
                          const sg_broken *broken, sg_error *err)
{
    size_t size = sg_dataset_size(ds), n = 0;
    part parts[NPARTS];
    parts_of(parts, split);
    uint8_t *marks = sg_calloc(size, 1);
    uint32_t *items = sg_alloc(size, sizeof *items);
    bool ok = marks && items ? true : sg_fail_memory(err, "split");
    for (size_t p = 0; ok && p < NPARTS; p++)
        for (size_t i = 0; i < *parts[p].n; i++) marks[parts[p].items[i]] = 1;
    for (size_t i = 0; ok && i < size; i++)
        if (marks[i]) items[n++] = (uint32_t)i;
    if (broken->progress) broken->progress->total = n;
    ok = ok && load(marks, ds, items, n, pp, broken, err);
    for (size_t p = 0; ok && p < NPARTS; p++) {
        size_t left = 0;
        for (size_t i = 0; i < *parts[p].n; i++)
            if (!marks[parts[p].items[i]]) parts[p].items[left++] = parts[p].items[i];
        *parts[p].n = left;
    }
    ok = ok && sg_split_set_checksum(split, ds, err);
    sg_free(items);
    sg_free(marks);
    return ok;
}
