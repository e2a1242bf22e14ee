#include "groups_impl.h"

#include <signet/mem.h>

bool sg_sets_init(sg_sets *s, size_t n, sg_error *err)
{
    *s = (sg_sets){.n = n};
    if (n > UINT32_MAX) return sg_fail(err, SG_ERR_LIMIT, "%zu items are too many to be grouped", n);
    s->parents = sg_alloc(n, sizeof *s->parents);
    s->sizes = sg_alloc(n, sizeof *s->sizes);
    s->touched = sg_calloc(n, sizeof *s->touched);
    if (!s->parents || !s->sizes || !s->touched) {
        sg_sets_clear(s);
        return sg_fail_memory(err, "groups");
    }
    for (size_t i = 0; i < n; i++) {
        s->parents[i] = (uint32_t)i;
        s->sizes[i] = 1;
    }
    return true;
}

void sg_sets_clear(sg_sets *s)
{
    sg_free(s->parents);
    sg_free(s->sizes);
    sg_free(s->touched);
    sg_free(s->apart);
    *s = (sg_sets){.n = 0};
}

bool sg_sets_keep_apart(sg_sets *s, uint32_t a, uint32_t b, sg_error *err)
{
    if (!sg_grow(&s->apart, &s->apart_cap, s->napart + 1, sizeof *s->apart))
        return sg_fail_memory(err, "pairs");
    s->apart[s->napart++] = (sg_apart){a, b};
    s->touched[a] = s->touched[b] = true;
    return true;
}

uint32_t sg_sets_find(sg_sets *s, uint32_t i)
{
    while (s->parents[i] != i) i = s->parents[i] = s->parents[s->parents[i]];
    return i;
}

static bool must_stay_apart(sg_sets *s, uint32_t a, uint32_t b)
{
    if (!s->touched[a] || !s->touched[b]) return false;
    for (size_t i = 0; i < s->napart; i++) {
        uint32_t x = sg_sets_find(s, s->apart[i].a), y = sg_sets_find(s, s->apart[i].b);
        if ((x == a && y == b) || (x == b && y == a)) return true;
    }
    return false;
}

bool sg_sets_join(sg_sets *s, uint32_t a, uint32_t b)
{
    a = sg_sets_find(s, a);
    b = sg_sets_find(s, b);
    if (a == b) return true;
    if (must_stay_apart(s, a, b)) return false;
    uint32_t large = s->sizes[a] < s->sizes[b] ? b : a, small = large == a ? b : a;
    s->parents[small] = large;
    s->sizes[large] += s->sizes[small];
    s->touched[large] |= s->touched[small];
    return true;
}
