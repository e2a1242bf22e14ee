#include <signet/metrics.h>

#include "metric_relevance_impl.h"

#include <math.h>
#include <omp.h>
#include <signet/cpu.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>

/* What one query gives. Kept apart until all are done, and added in their order: the same sums from any number of
 * threads. */
typedef struct query_result {
    sg_ap ap;
    double chance, radius2;
    double precision_at[SG_PRECISION_AT_MAX], recall_at[SG_PRECISION_AT_MAX];
    size_t relevant;
} query_result;

/* A thread's memory. */
typedef struct scratch {
    uint16_t *distances;   /* (database) */
    uint8_t *relevant;     /* (database) */
    uint32_t *lanes;       /* (LANES, ndist, 2): items by distance and relevance */
    uint32_t *n, *p;       /* (ndist) all items, relevant ones */
    uint32_t *seen, *hits; /* (ndist) the same, counted up while the ranking is walked through */
} scratch;

/* Counting into several histograms in turn: an increment need not wait for the one before it. */
enum { LANES = 4 };

typedef struct retrieval_run {
    const sg_coded *queries, *database;
    const sg_retrieval_options *options;
    sg_relevance relevance;
    size_t ndist, top; /* top is at most the database here */
    query_result *results;
} retrieval_run;

static void scratch_clear(scratch *s)
{
    sg_free(s->distances);
    sg_free(s->relevant);
    sg_free(s->lanes);
    sg_free(s->n);
}

static bool scratch_init(scratch *s, size_t database, size_t ndist)
{
    s->distances = sg_alloc(database, sizeof *s->distances);
    s->relevant = sg_alloc(database, 1);
    s->lanes = sg_alloc(ndist, 2 * LANES * sizeof *s->lanes);
    s->n = sg_alloc(ndist, 4 * sizeof *s->n);
    if (!s->distances || !s->relevant || !s->lanes || !s->n) return false;
    s->p = s->n + ndist;
    s->seen = s->p + ndist;
    s->hits = s->seen + ndist;
    return true;
}

/* n[d] items and p[d] relevant ones at distance d. */
static void count(scratch *s, size_t database, size_t ndist)
{
    uint32_t *lane[LANES];
    memset(s->lanes, 0, ndist * 2 * LANES * sizeof *s->lanes);
    for (size_t l = 0; l < LANES; l++) lane[l] = s->lanes + l * 2 * ndist;
    size_t i = 0;
    for (; i + LANES <= database; i += LANES)
        for (size_t l = 0; l < LANES; l++) lane[l][2u * s->distances[i + l] + s->relevant[i + l]]++;
    for (; i < database; i++) lane[0][2u * s->distances[i] + s->relevant[i]]++;
    for (size_t d = 0; d < ndist; d++) {
        s->n[d] = s->p[d] = 0;
        for (size_t l = 0; l < LANES; l++) {
            s->n[d] += lane[l][2 * d] + lane[l][2 * d + 1];
            s->p[d] += lane[l][2 * d + 1];
        }
    }
}

/* AP of the ranking by (distance, id). An item's rank is known without sorting: all that is nearer, and those of its
 * distance met before it. */
static double ordered_ap(scratch *s, const retrieval_run *run)
{
    uint32_t items = 0, relevant = 0, above = 0;
    for (size_t d = 0; d < run->ndist; d++) {
        s->seen[d] = items;
        s->hits[d] = relevant;
        items += s->n[d];
        relevant += s->p[d];
    }
    double sum = 0;
    for (size_t i = 0; i < run->database->n; i++) {
        uint16_t d = s->distances[i];
        uint32_t rank = ++s->seen[d];
        if (!s->relevant[i]) continue;
        uint32_t hits = ++s->hits[d];
        if (rank > run->top) continue;
        sum += (double)hits / rank;
        above++;
    }
    uint32_t divisor = relevant;
    if (run->options->denominator == SG_DENOMINATOR_HITS) divisor = above;
    if (run->options->denominator == SG_DENOMINATOR_MIN && divisor > run->top) divisor = (uint32_t)run->top;
    return divisor ? sum / divisor : 0;
}

/* Relevant items expected among the first `places`, over the order of equals. */
static double expected_hits(const scratch *s, size_t ndist, size_t places)
{
    size_t items = 0;
    double hits = 0;
    for (size_t d = 0; d < ndist; d++) {
        if (items + s->n[d] > places)
            return hits + (double)s->p[d] * (double)(places - items) / (double)s->n[d];
        items += s->n[d];
        hits += s->p[d];
    }
    return hits;
}

static void measure(query_result *out, scratch *s, const retrieval_run *run)
{
    const sg_retrieval_options *o = run->options;
    uint32_t all = (uint32_t)run->database->n, relevant = 0, near = 0, near_hits = 0;
    sg_ap chance;
    for (size_t d = 0; d < run->ndist; d++) {
        relevant += s->p[d];
        if (d > 2) continue;
        near += s->n[d];
        near_hits += s->p[d];
    }
    out->relevant = relevant;
    out->radius2 = near ? (double)near_hits / near : 0;
    sg_ap_from_counts(&out->ap, s->n, s->p, run->ndist, o->top, o->denominator);
    out->ap.order = ordered_ap(s, run);
    sg_ap_from_counts(&chance, &all, &relevant, 1, o->top, o->denominator);
    out->chance = chance.expected;
    for (size_t i = 0; i < o->nprecision_at; i++) {
        size_t places = o->precision_at[i] < all ? o->precision_at[i] : all;
        double hits = expected_hits(s, run->ndist, places);
        out->precision_at[i] = hits / (double)places;
        out->recall_at[i] = relevant ? hits / relevant : 0;
    }
}

static void run_query(retrieval_run *run, scratch *s, size_t q)
{
    size_t nbytes = run->options->nbits / 8, n = run->database->n;
    sg_hamming_scan(s->distances, run->queries->codes + q * nbytes, run->database->codes, n, nbytes);
    sg_relevance_fill(s->relevant, &run->relevance, q);
    count(s, n, run->ndist);
    measure(&run->results[q], s, run);
}

static bool run_queries(retrieval_run *run, sg_error *err)
{
    int threads = sg_threads();
    bool ok = true;
    scratch *scratches = sg_calloc((size_t)threads, sizeof *scratches);
    if (!scratches) return sg_fail_memory(err, "ranking");
    for (int t = 0; t < threads && ok; t++) ok = scratch_init(&scratches[t], run->database->n, run->ndist);
    if (!ok) {
        sg_fail_memory(err, "ranking");
    } else {
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads)
        for (size_t q = 0; q < run->queries->n; q++)
            if (!sg_interrupted()) run_query(run, &scratches[omp_get_thread_num()], q);
        ok = sg_interrupt_check(err);
    }
    for (int t = 0; t < threads; t++) scratch_clear(&scratches[t]);
    sg_free(scratches);
    return ok;
}

static bool run_check(const sg_coded *queries, const sg_coded *database, const sg_retrieval_options *options,
                      sg_error *err)
{
    if (!sg_bits_check((int64_t)options->nbits, err)) return false;
    if (!queries->n) return sg_fail(err, SG_ERR_USAGE, "there are no queries");
    if (!database->n) return sg_fail(err, SG_ERR_USAGE, "the database is empty");
    if (database->n > UINT32_MAX)
        return sg_fail(err, SG_ERR_LIMIT, "a database of %zu items: at most %u can be ranked", database->n,
                       UINT32_MAX);
    if (queries->labels->n != queries->n)
        return sg_fail(err, SG_ERR_MISMATCH, "%zu queries have %zu labels", queries->n, queries->labels->n);
    if (database->labels->n != database->n)
        return sg_fail(err, SG_ERR_MISMATCH, "%zu items of the database have %zu labels", database->n,
                       database->labels->n);
    if (options->nprecision_at > SG_PRECISION_AT_MAX)
        return sg_fail(err, SG_ERR_USAGE, "precision at %zu places of the ranking: at most %d can be asked",
                       options->nprecision_at, SG_PRECISION_AT_MAX);
    for (size_t i = 0; i < options->nprecision_at; i++)
        if (!options->precision_at[i]) return sg_fail(err, SG_ERR_USAGE, "precision at 0 means nothing");
    return true;
}

static void mean_of(sg_retrieval *out, const query_result *results, size_t nprecision_at)
{
    double n = (double)out->queries;
    for (size_t q = 0; q < out->queries; q++) {
        const query_result *r = &results[q];
        out->ap[q] = r->ap.expected;
        out->map.expected += r->ap.expected / n;
        out->map.low += r->ap.low / n;
        out->map.high += r->ap.high / n;
        out->map.order += r->ap.order / n;
        out->chance += r->chance / n;
        out->radius2 += r->radius2 / n;
        out->without_relevant += !r->relevant;
        for (size_t i = 0; i < nprecision_at; i++) {
            out->precision_at[i] += r->precision_at[i] / n;
            out->recall_at[i] += r->recall_at[i] / n;
        }
    }
}

bool sg_retrieval_run(sg_retrieval *out, const sg_coded *queries, const sg_coded *database,
                      const sg_retrieval_options *options, sg_error *err)
{
    *out = (sg_retrieval){0};
    if (!run_check(queries, database, options, err)) return false;
    retrieval_run run = {.queries = queries, .database = database, .options = options};
    run.ndist = options->nbits + 1;
    run.top = options->top && options->top < database->n ? options->top : database->n;
    if (!sg_relevance_init(&run.relevance, queries->labels, database->labels, err)) return false;
    bool ok = false;
    run.results = sg_calloc(queries->n, sizeof *run.results);
    double *ap = sg_alloc(queries->n, sizeof *ap);
    if (!run.results || !ap) {
        sg_fail_memory(err, "results of the queries");
        goto exit;
    }
    if (!run_queries(&run, err)) goto exit;
    *out = (sg_retrieval){.ap = ap, .queries = queries->n, .database = database->n};
    ap = NULL;
    mean_of(out, run.results, options->nprecision_at);
    ok = true;
exit:
    sg_free(ap);
    sg_free(run.results);
    sg_relevance_clear(&run.relevance);
    return ok;
}

void sg_retrieval_clear(sg_retrieval *retrieval)
{
    sg_free(retrieval->ap);
    *retrieval = (sg_retrieval){0};
}
