/* Re-ranking by real outputs: the nearest by Hamming distance, put in order by an angle. */
#include "searcher_impl.h"

#include <math.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>

typedef struct scored {
    double score;
    sg_hit hit;
} scored;

static int compare_scored(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    if (x->hit.distance != y->hit.distance) return x->hit.distance < y->hit.distance ? -1 : 1;
    return (x->hit.id > y->hit.id) - (x->hit.id < y->hit.id);
}

/* 1 - cos(z, y); 1 where one of them is zero. */
static double angle_score(const float *z, const float *y, size_t n)
{
    double zy = 0, zz = 0, yy = 0;
    for (size_t i = 0; i < n; i++) {
        zy += (double)z[i] * (double)y[i];
        zz += (double)z[i] * (double)z[i];
        yy += (double)y[i] * (double)y[i];
    }
    return zz > 0 && yy > 0 ? 1 - zy / sqrt(zz * yy) : 1;
}

/* Real outputs of an item: those that the index stores, or its code's signs. */
static bool outputs_of(float *y, sg_searcher *s, uint64_t id, sg_error *err)
{
    size_t position, nbits = s->index->info.nbits;
    bool found;
    if (!sg_store_outputs(y, &found, s->index->store, id, err)) return false;
    if (found) return true;
    SG_ASSERT(sg_searcher_find(&position, s, id));
    sg_codes_unpack(y, sg_search_codes(s->search) + position * (nbits / 8), 1, nbits);
    return true;
}

static bool query_outputs(float *z, sg_searcher *s, const sg_answer *answer, const float *outputs,
                          sg_error *err)
{
    bool found = false;
    if (outputs) {
        memcpy(z, outputs, answer->nbits * sizeof *z);
        return true;
    }
    if (answer->query_id && !sg_store_outputs(z, &found, s->index->store, answer->query_id, err))
        return false;
    if (!found) sg_codes_unpack(z, answer->code, 1, answer->nbits);
    return true;
}

/* The first k of n in order are the answer. */
static bool keep(sg_answer *answer, const scored *order, size_t n, size_t k, sg_error *err)
{
    sg_search_result *r = &answer->result;
    answer->scores = sg_alloc(n, sizeof *answer->scores);
    if (!answer->scores) return sg_fail_memory(err, "answer");
    answer->reranked = n;
    if (k > 0 && k < n) {
        if (order[k].score == order[k - 1].score) r->complete = false;
        r->n = k;
    }
    for (size_t i = 0; i < r->n; i++) {
        r->hits[i] = order[i].hit;
        answer->scores[i] = order[i].score;
    }
    return true;
}

bool sg_searcher_rerank(sg_answer *answer, sg_searcher *s, const float *outputs, size_t k, sg_error *err)
{
    size_t n = answer->result.n, nbits = answer->nbits;
    float *z = sg_alloc(2 * nbits, sizeof *z), *y = z ? z + nbits : NULL;
    scored *order = sg_alloc(n, sizeof *order);
    bool ok = z && order ? query_outputs(z, s, answer, outputs, err) : sg_fail_memory(err, "answer");
    for (size_t i = 0; ok && i < n; i++) {
        order[i].hit = answer->result.hits[i];
        ok = outputs_of(y, s, order[i].hit.id, err);
        if (ok) order[i].score = angle_score(z, y, nbits);
    }
    if (ok) {
        qsort(order, n, sizeof *order, compare_scored);
        ok = keep(answer, order, n, k, err);
    }
    sg_free(order);
    sg_free(z);
    return ok;
}
