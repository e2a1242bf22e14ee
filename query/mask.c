/* Which positions of a search a condition leaves: one look at all items, kept while neither it nor the index changes. */
#include "searcher_impl.h"

#include <signet/interrupt.h>
#include <signet/mem.h>

typedef struct matching {
    const sg_where *where;
    uint64_t *ids; /* ascending */
    size_t n, cap;
} matching;

static bool take_matching(void *context, const sg_item *item, sg_error *err)
{
    matching *m = context;
    if (!sg_interrupt_check(err)) return false;
    if (!sg_where_holds(m->where, item->attributes, item->attributes_nbytes)) return true;
    if (!sg_grow(&m->ids, &m->cap, m->n + 1, sizeof *m->ids)) return sg_fail_memory(err, "filter");
    m->ids[m->n++] = item->id;
    return true;
}

void sg_searcher_drop_mask(sg_searcher *s)
{
    sg_free(s->mask);
    s->mask = NULL;
    sg_where_clear(&s->where);
}

static bool still(bool *same, const sg_searcher *s, sg_error *err)
{
    sg_store_info now;
    if (!sg_store_info_get(&now, s->index->store, err)) return false;
    *same = now.generation == s->generation;
    sg_store_info_clear(&now);
    return true;
}

/* Items are looked at a moment after the codes were loaded. Where someone has written in between, what is new since is not
 * among the codes, and what is gone is found out when the answer's paths are: only the attributes may be the newer ones.
 * Such a mask serves this once. */
bool sg_searcher_mask(const uint64_t **mask, sg_searcher *s, const sg_where *where, sg_error *err)
{
    bool same = false;
    if (s->mask && s->mask_generation == s->generation && sg_where_same(&s->where, where)) {
        *mask = s->mask;
        return true;
    }
    sg_searcher_drop_mask(s);
    matching m = {.where = where};
    bool ok = sg_where_copy(&s->where, where, err) &&
              sg_store_each(s->index->store, take_matching, &m, err) &&
              sg_search_mask(&s->mask, s->search, m.ids, m.n, err) && still(&same, s, err);
    sg_free(m.ids);
    if (!ok) sg_searcher_drop_mask(s);
    s->mask_generation = same ? s->generation : 0;
    *mask = s->mask;
    return ok;
}
