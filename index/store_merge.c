/* Merge: all of another store, through sg_join. */
#include "join_impl.h"

#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>

typedef struct pair {
    uint64_t a, b;
} pair;

/* An id of the other store that stands in a pair, and where its content went: 0 for nowhere. */
typedef struct place {
    uint64_t from, to;
} place;

typedef struct merge {
    sg_join join;
    sg_store *other;
    bool foreign;
    float *outputs; /* (nbits) when both stores keep them */
    pair *pairs;
    size_t npairs, pairs_cap;
    place *places; /* ascending by from */
    size_t nplaces, next;
} merge;

static bool check_same(bool *outputs, sg_store *store, sg_store *other, sg_error *err)
{
    sg_store_info a, b;
    if (!sg_store_info_get(&a, store, err)) return false;
    if (!sg_store_info_get(&b, other, err)) {
        sg_store_info_clear(&a);
        return false;
    }
    bool ok = true;
    if (a.nbits != b.nbits)
        ok = sg_fail(err, SG_ERR_MISMATCH, "codes of %zu and of %zu bits cannot be joined", a.nbits, b.nbits);
    if (ok && strcmp(a.fingerprint, b.fingerprint) != 0)
        ok = sg_fail(err, SG_ERR_MISMATCH, "codes of two models (%.8s and %.8s) cannot be joined",
                     a.fingerprint, b.fingerprint);
    *outputs = ok && a.outputs && b.outputs;
    sg_store_info_clear(&b);
    sg_store_info_clear(&a);
    return ok;
}

static bool take_pair(void *context, uint64_t a, uint64_t b, sg_error *err)
{
    merge *m = context;
    if (!sg_grow(&m->pairs, &m->pairs_cap, m->npairs + 1, sizeof *m->pairs))
        return sg_fail_memory(err, "pairs");
    m->pairs[m->npairs++] = (pair){a, b};
    return true;
}

static int compare_places(const void *a, const void *b)
{
    uint64_t x = ((const place *)a)->from, y = ((const place *)b)->from;
    return (x > y) - (x < y);
}

/* The ids of which it must be known where they go. */
static bool find_places(merge *m, sg_error *err)
{
    size_t n = 0;
    if (m->npairs == 0) return true;
    m->places = sg_calloc(2 * m->npairs, sizeof *m->places);
    if (!m->places) return sg_fail_memory(err, "pairs");
    for (size_t i = 0; i < m->npairs; i++) {
        m->places[n++].from = m->pairs[i].a;
        m->places[n++].from = m->pairs[i].b;
    }
    qsort(m->places, n, sizeof *m->places, compare_places);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || m->places[i].from != m->places[i - 1].from) m->places[m->nplaces++] = m->places[i];
    return true;
}

static uint64_t place_of(const merge *m, uint64_t from)
{
    place key = {from, 0};
    const place *at = bsearch(&key, m->places, m->nplaces, sizeof key, compare_places);
    return at->to;
}

static bool take_item(void *context, const sg_item *item, sg_error *err)
{
    merge *m = context;
    sg_item mine = *item;
    uint64_t id;
    bool found;
    mine.foreign |= m->foreign;
    if (m->outputs && item->path) {
        if (!sg_store_outputs(m->outputs, &found, m->other, item->id, err)) return false;
        mine.outputs = found ? m->outputs : NULL;
    }
    if (!sg_join_item(&id, &m->join, &mine, err)) return false;
    while (m->next < m->nplaces && m->places[m->next].from < item->id) m->next++;
    if (m->next < m->nplaces && m->places[m->next].from == item->id) m->places[m->next].to = id;
    return true;
}

static bool put_pairs(merge *m, sg_error *err)
{
    for (size_t i = 0; i < m->npairs; i++) {
        uint64_t a = place_of(m, m->pairs[i].a), b = place_of(m, m->pairs[i].b);
        if (a && b && !sg_join_pair(&m->join, a, b, err)) return false;
    }
    return true;
}

bool sg_store_merge(sg_join_counts *counts, sg_store *store, sg_store *other, const sg_merge_options *options,
                    sg_error *err)
{
    merge m = {.other = other, .foreign = options->foreign};
    sg_store_info info;
    sg_error why = {SG_OK, ""};
    bool outputs;
    *counts = (sg_join_counts){0};
    if (!check_same(&outputs, store, other, err) || !sg_store_info_get(&info, store, err)) return false;
    if (outputs && !(m.outputs = sg_alloc(info.nbits, sizeof *m.outputs))) {
        sg_store_info_clear(&info);
        return sg_fail_memory(err, "outputs");
    }
    sg_store_info_clear(&info);
    bool ok = sg_join_begin(&m.join, store, options->only_check, options->progress, counts, &why);
    if (ok) {
        ok = sg_store_pairs(other, take_pair, &m, &why) && find_places(&m, &why) &&
             sg_store_each(other, take_item, &m, &why) && put_pairs(&m, &why);
        ok = sg_join_end(&m.join, ok, &why);
    }
    sg_free(m.outputs);
    sg_free(m.pairs);
    sg_free(m.places);
    if (!ok && err) *err = why;
    return ok;
}
