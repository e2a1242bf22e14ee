/* An index's codes in its search kind, brought up to date when others have written, and answers with their paths. */
#include "searcher_impl.h"

#include <pthread.h>
#include <signet/cpu.h>
#include <signet/index_search.h>
#include <signet/mem.h>
#include <string.h>

#define ATTEMPTS 10 /* against a writer that removes what was just found */

/* Loads the codes when the store has moved on. */
static bool load_codes(sg_searcher *s, sg_error *err)
{
    uint64_t generation;
    sg_search *fresh;
    sg_store_info now;
    if (!sg_store_info_get(&now, s->index->store, err)) return false;
    generation = now.generation;
    sg_store_info_clear(&now);
    if (s->search && generation == s->generation) return true;
    if (!sg_index_search(&fresh, &generation, s->index, err)) return false;
    sg_search_free(s->search);
    s->search = fresh;
    s->generation = generation;
    return true;
}

bool sg_searcher_refresh(sg_searcher *s, sg_error *err)
{
    bool replaced;
    if (!sg_index_follow(&replaced, s->index, err)) return false;
    if (replaced) { /* another file's generations are no later ones of this */
        s->replaced++;
        sg_search_free(s->search);
        s->search = NULL;
        sg_searcher_drop_mask(s);
    }
    return load_codes(s, err);
}

/* --- opening --- */

bool sg_searcher_new(sg_searcher **searcher, sg_index *index, sg_error *err)
{
    *searcher = NULL;
    sg_searcher *s = sg_calloc(1, sizeof *s);
    if (!s) return sg_fail_memory(err, "searcher");
    s->index = index;
    if (!load_codes(s, err)) {
        sg_searcher_free(s);
        return false;
    }
    *searcher = s;
    return true;
}

typedef struct loading {
    sg_searcher *searcher;
    int threads; /* of who asked: OpenMP's number is each thread's own */
    sg_error why;
    bool ok;
} loading;

static void *load_beside(void *context)
{
    loading *l = context;
    sg_threads_set(l->threads);
    l->ok = load_codes(l->searcher, &l->why);
    return NULL;
}

/* The codes come from the store by a thread of their own, while this one makes the network. */
static bool open_both(sg_searcher *s, size_t batch, sg_error *err)
{
    pthread_t thread;
    loading l = {.searcher = s, .threads = sg_threads()};
    bool beside = pthread_create(&thread, NULL, load_beside, &l) == 0;
    bool ok = sg_index_open_encoder(s->index, batch, err);
    if (!beside) return ok && load_codes(s, err);
    pthread_join(thread, NULL);
    if (ok && !l.ok && err) *err = l.why;
    return ok && l.ok;
}

bool sg_searcher_open(sg_searcher **searcher, const char *dir, sg_index_need need, size_t batch,
                      sg_error *err)
{
    bool again = true;
    *searcher = NULL;
    while (again) {
        sg_searcher *s = sg_calloc(1, sizeof *s);
        if (!s) return sg_fail_memory(err, "searcher");
        s->own = true;
        if (sg_index_open_store(&s->index, dir, false, err) &&
            (need == SG_INDEX_STORE ? load_codes(s, err) : open_both(s, batch, err))) {
            *searcher = s;
            return true;
        }
        again = s->index && sg_index_is_outdated(s->index->store);
        sg_searcher_free(s);
    }
    return false;
}

void sg_searcher_free(sg_searcher *searcher)
{
    if (!searcher) return;
    sg_searcher_drop_mask(searcher);
    sg_search_free(searcher->search);
    if (searcher->own) sg_index_close(searcher->index);
    sg_free(searcher);
}

sg_index *sg_searcher_index(sg_searcher *searcher)
{
    return searcher->index;
}

unsigned sg_searcher_replaced(const sg_searcher *searcher)
{
    return searcher->replaced;
}

/* --- asking --- */

bool sg_searcher_find(size_t *position, const sg_searcher *s, uint64_t id)
{
    const uint64_t *ids = sg_search_ids(s->search);
    size_t lo = 0, hi = sg_search_size(s->search);
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (ids[middle] < id)
            lo = middle + 1;
        else
            hi = middle;
    }
    *position = lo;
    return lo < sg_search_size(s->search) && ids[lo] == id;
}

/* The queries' codes, one behind the other (n, nbits / 8). */
static bool gather_codes(uint8_t *codes, const sg_searcher *s, const sg_query *queries, size_t n,
                         sg_error *err)
{
    size_t position, nbytes = s->index->info.nbits / 8;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *code = queries[i].code;
        if (!code) {
            if (!sg_searcher_find(&position, s, queries[i].id))
                return sg_fail(err, SG_ERR_NOT_FOUND, "%s: has no item %llu", s->index->dir,
                               (unsigned long long)queries[i].id);
            code = sg_search_codes(s->search) + position * nbytes;
        }
        memcpy(codes + i * nbytes, code, nbytes);
    }
    return true;
}

static bool describe(sg_answer *answer, const sg_searcher *s, const sg_query *query, const uint8_t *code,
                     sg_error *err)
{
    const sg_index *index = s->index;
    answer->nbits = index->info.nbits;
    answer->query_id = query->id;
    answer->generation = s->generation;
    answer->items = sg_search_size(s->search);
    memcpy(answer->fingerprint, index->info.fingerprint, sizeof answer->fingerprint);
    memcpy(answer->recipe_difference, index->differs, sizeof answer->recipe_difference);
    answer->code = sg_memdup(code, answer->nbits / 8);
    answer->query = query->path ? sg_strdup(query->path) : NULL;
    if (!answer->code || (query->path && !answer->query)) return sg_fail_memory(err, "answer");
    sg_item item;
    return query->id == 0 || sg_store_get(&item, &answer->query_path, index->store, query->id, err);
}

/* Takes an item out of its own answer, of which one more was asked for, and leaves k. */
static void leave_out(sg_search_result *result, uint64_t id, size_t k)
{
    size_t kept = 0;
    for (size_t i = 0; i < result->n; i++)
        if (id == 0 || result->hits[i].id != id) result->hits[kept++] = result->hits[i];
    result->n = kept;
    if (k == 0 || kept <= k) return;
    result->n = k;
    result->complete = result->hits[k].distance != result->hits[k - 1].distance;
}

static bool find_item(sg_answer *answer, size_t i, sg_searcher *s, sg_error *err)
{
    sg_item item;
    if (!sg_store_get(&item, &answer->paths[i], s->index->store, answer->result.hits[i].id, err))
        return false;
    return item.attributes_nbytes == 0 ||
           sg_attributes_set(&answer->attributes[i], item.attributes, item.attributes_nbytes, err);
}

static bool find_items(sg_answer *answer, sg_searcher *s, sg_error *err)
{
    answer->paths = sg_calloc(answer->result.n, sizeof *answer->paths);
    answer->attributes = sg_calloc(answer->result.n, sizeof *answer->attributes);
    if (!answer->paths || !answer->attributes) return sg_fail_memory(err, "answer");
    for (size_t i = 0; i < answer->result.n; i++)
        if (!find_item(answer, i, s, err)) return false;
    return true;
}

/* One look: codes and then the items behind them. */
static bool search(sg_answer *answers, sg_searcher *s, const sg_query *queries, size_t n, const sg_ask *ask,
                   sg_error *err)
{
    size_t k = ask->rerank && ask->rerank_from > 0 ? ask->rerank_from : ask->k;
    sg_search_ask wanted = {.k = k, .radius = ask->radius};
    for (size_t i = 0; i < n; i++)
        if (queries[i].id && k > 0) wanted.k = k + 1;
    if (!load_codes(s, err)) return false;
    if (ask->where && !sg_searcher_mask(&wanted.mask, s, ask->where, err)) return false;
    size_t nbytes = s->index->info.nbits / 8;
    uint8_t *codes = sg_alloc(n, nbytes);
    sg_search_result *results = sg_calloc(n, sizeof *results);
    bool ok = codes && results ? true : sg_fail_memory(err, "answers");
    ok = ok && gather_codes(codes, s, queries, n, err) &&
         sg_search_run(results, s->search, codes, n, &wanted, err);
    for (size_t i = 0; ok && i < n; i++) answers[i].result = results[i];
    for (size_t i = 0; ok && i < n; i++) {
        leave_out(&answers[i].result, queries[i].id, k);
        ok = describe(&answers[i], s, &queries[i], codes + i * nbytes, err) &&
             (!ask->rerank || sg_searcher_rerank(&answers[i], s, queries[i].outputs, ask->k, err)) &&
             find_items(&answers[i], s, err);
    }
    sg_free(results);
    sg_free(codes);
    return ok;
}

/* Codes are of one generation, items of a later one perhaps: what was removed in between is looked for again. */
bool sg_searcher_ask(sg_answer *answers, sg_searcher *s, const sg_query *queries, size_t n, const sg_ask *ask,
                     sg_error *err)
{
    for (size_t i = 0; i < n; i++) answers[i] = (sg_answer){0};
    if (ask->rerank && ask->rerank_from > 0 && ask->k > ask->rerank_from)
        return sg_fail(err, SG_ERR_USAGE, "%zu results cannot be the first of %zu that are re-ranked", ask->k,
                       ask->rerank_from);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        sg_error why = {SG_OK, ""};
        if (search(answers, s, queries, n, ask, &why)) return true;
        for (size_t i = 0; i < n; i++) sg_answer_clear(&answers[i]);
        if (err) *err = why;
        if (why.code != SG_ERR_NOT_FOUND) break;
    }
    return false;
}

bool sg_searcher_code(sg_answer *answer, sg_searcher *searcher, const uint8_t *code, const sg_ask *ask,
                      sg_error *err)
{
    return sg_searcher_ask(answer, searcher, &(sg_query){.code = code}, 1, ask, err);
}

bool sg_searcher_item(sg_answer *answer, sg_searcher *searcher, uint64_t id, const sg_ask *ask, sg_error *err)
{
    return sg_searcher_ask(answer, searcher, &(sg_query){.id = id}, 1, ask, err);
}
