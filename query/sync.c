/* An index made equal to folders: what is new or changed comes in, what is gone is found and perhaps removed. */
#include "ingest_impl.h"

#include <signet/buf.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct syncing {
    sg_ingest in;
    char **folders; /* absolute; owned */
    size_t nfolders;
    sg_lost_list lost;
} syncing;

static bool lose(void *context, const sg_item *item, sg_error *err)
{
    syncing *s = context;
    for (size_t i = 0; i < s->nfolders; i++)
        if (item->path && sg_path_within(item->path, s->folders[i])) return sg_lost_add(&s->lost, item, err);
    return true;
}

static void tell_kept(void *context, const char *place, const char *why)
{
    syncing *s = context;
    sg_buf what = SG_BUF_INIT;
    sg_buf_printf(&what, "%s: %s", place, why);
    sg_ingest_say(&s->in, SG_INGEST_KEPT, place, sg_buf_text(&what));
    sg_buf_clear(&what);
}

/* Finds the files of all folders, what the index knows of them, and what it knows beside. */
static bool compare(syncing *s, const char *const *folders, size_t n, sg_error *err)
{
    s->folders = sg_calloc(n, sizeof *s->folders);
    if (!s->folders) return sg_fail_memory(err, "folders");
    for (; s->nfolders < n; s->nfolders++)
        if (!sg_path_absolute(&s->folders[s->nfolders], folders[s->nfolders], err)) return false;
    for (size_t i = 0; i < n; i++) {
        if (sg_path_exists(s->folders[i]) && !sg_is_dir(s->folders[i]))
            return sg_fail(err, SG_ERR_USAGE, "%s: is no folder", s->folders[i]);
        if (!sg_ingest_find(&s->in, s->folders[i], err)) return false;
    }
    if (!sg_files_check(&s->in.files, s->in.index->store, lose, s, err)) return false;
    for (size_t i = 0; i < n; i++)
        if (!sg_lost_judge(&s->lost, s->folders[i], &s->in.files, tell_kept, s, err)) return false;
    sg_lost_settle(&s->lost, &s->in.counts->kept);
    s->in.counts->gone = s->lost.n;
    s->in.lost = &s->lost;
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = ((const sg_lost *)a)->id, y = ((const sg_lost *)b)->id;
    return (x > y) - (x < y);
}

/* --- pairs of what was moved --- */

#define HEIRS 64 /* items of one content that are looked at */

static sg_lost *lost_of(const syncing *s, uint64_t id)
{
    const sg_lost key = {.id = id};
    return bsearch(&key, s->lost.v, s->lost.n, sizeof *s->lost.v, compare_ids);
}

typedef struct pairs {
    const syncing *s;
    uint64_t (*v)[2];
    size_t n, cap;
} pairs;

/* Pairs that a lost item is part of. */
static bool collect_pair(void *context, uint64_t a, uint64_t b, sg_error *err)
{
    pairs *p = context;
    if (!lost_of(p->s, a) && !lost_of(p->s, b)) return true;
    if (!sg_grow(&p->v, &p->cap, p->n + 1, sizeof *p->v)) return sg_fail_memory(err, "pairs");
    p->v[p->n][0] = a;
    p->v[p->n++][1] = b;
    return true;
}

/* What the item has become; itself when it was not moved. One that goes hands its pairs to another item of its content too:
 * it may have been moved by a call that was cut short. */
static bool find_heir(uint64_t *heir, const syncing *s, uint64_t id, bool goes, sg_error *err)
{
    const sg_lost *lost = lost_of(s, id);
    uint64_t ids[HEIRS];
    size_t n = 0;
    *heir = lost && lost->heir ? lost->heir : id;
    if (!lost || lost->heir || !goes) return true;
    if (!sg_store_find_content(ids, &n, HEIRS, s->in.index->store, lost->content, err)) return false;
    for (size_t i = 0; i < n && i < HEIRS && *heir == id; i++)
        if (!lost_of(s, ids[i])) *heir = ids[i];
    return true;
}

static bool carry_pair(syncing *s, const uint64_t pair[2], bool prune, sg_error *err)
{
    uint64_t x, y;
    sg_ingest *in = &s->in;
    if (!find_heir(&x, s, pair[0], prune, err) || !find_heir(&y, s, pair[1], prune, err)) return false;
    if (x == y || (x == pair[0] && y == pair[1])) return true;
    return sg_batch_change(&in->batch, err) && sg_store_pair_set(in->index->store, x, y, true, err) &&
           (!sg_batch_due(&in->batch) || sg_ingest_commit(in, err));
}

static bool carry_pairs(syncing *s, bool prune, sg_error *err)
{
    pairs p = {.s = s};
    if (s->lost.n == 0 || s->in.options->dry_run) return true;
    bool ok = sg_store_pairs(s->in.index->store, collect_pair, &p, err);
    for (size_t i = 0; ok && i < p.n; i++) ok = carry_pair(s, p.v[i], prune, err);
    sg_free(p.v);
    return ok && sg_ingest_commit(&s->in, err);
}

/* --- what is gone --- */

/* Encoding takes its time: the file may have come back. */
static bool is_back(const sg_lost *lost)
{
    struct stat st;
    return stat(lost->path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool remove_gone(syncing *s, bool prune, sg_error *err)
{
    sg_ingest *in = &s->in;
    bool dry = in->options->dry_run, ok = true;
    for (size_t i = 0; ok && i < s->lost.n; i++) {
        const sg_lost *lost = &s->lost.v[i];
        if (is_back(lost)) continue;
        if (prune && !dry)
            ok = sg_batch_change(&in->batch, err) && sg_store_remove(in->index->store, lost->id, err);
        in->pending.removed += ok && prune;
        if (ok)
            sg_ingest_say(in, prune ? SG_INGEST_REMOVED : SG_INGEST_GONE, lost->path,
                          prune ? "gone, removed" : "gone");
        if (ok && sg_batch_due(&in->batch)) ok = sg_interrupt_check(err) && sg_ingest_commit(in, err);
    }
    return ok && sg_ingest_commit(in, err);
}

bool sg_ingest_sync(sg_ingest_counts *counts, sg_index *index, const char *const *folders, size_t nfolders,
                    bool prune, const sg_ingest_options *options, sg_error *err)
{
    syncing s = {.folders = NULL};
    sg_error why = {SG_OK, ""};
    sg_ingest_begin(&s.in, index, options, counts);
    bool ok = compare(&s, folders, nfolders, &why) && sg_ingest_take_all(&s.in, &why);
    if (ok && s.lost.n > 1) qsort(s.lost.v, s.lost.n, sizeof *s.lost.v, compare_ids);
    ok = ok && carry_pairs(&s, prune, &why) && remove_gone(&s, prune, &why);
    ok = sg_ingest_end(&s.in, ok, &why, err);
    sg_lost_clear(&s.lost);
    for (size_t i = 0; i < s.nfolders; i++) sg_free(s.folders[i]);
    sg_free(s.folders);
    return ok;
}
