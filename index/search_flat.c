/* flat: every code is looked at, by the scan of base. */
#include "search_impl.h"

static const char *const no_params[] = {NULL};

static bool build(void **state, const sg_search_rows *codes, const sg_kv *params, sg_error *err)
{
    (void)codes, (void)params, (void)err;
    *state = NULL;
    return true;
}

static bool nearest(sg_near_list *lists, const void *state, const sg_search_rows *codes,
                    const uint8_t *queries, size_t nq, size_t k, unsigned radius, sg_error *err)
{
    (void)state;
    const sg_hamming_ask ask = {.k = k, .radius = radius};
    return sg_hamming_nearest(lists, queries, nq, codes->codes, codes->n, codes->nbits / 8, &ask, err);
}

static bool within(sg_near_list *lists, const void *state, const sg_search_rows *codes,
                   const uint8_t *queries, size_t nq, unsigned radius, sg_error *err)
{
    return nearest(lists, state, codes, queries, nq, 0, radius, err);
}

const sg_search_kind sg_search_flat = {
    .name = "flat", .params = no_params, .build = build, .nearest = nearest, .within = within};
