/* An index's codes in its search kind, brought up to date when others have written, and answers with their paths. */
#include "index_impl.h"

#include <signet/mem.h>
#include <signet/query.h>
#include <string.h>

#define ATTEMPTS 10 /* against a writer that removes what was just found */

struct sg_searcher {
    sg_index *index;
    sg_search *search;
    uint64_t generation;
};

/* Loads the codes when the store has moved on. */
static bool refresh(sg_searcher *s, sg_error *err)
{
    uint8_t *codes;
    uint64_t *ids, generation;
    size_t n;
    sg_search *fresh;
    sg_store_info now;
    if (!sg_store_info_get(&now, s->index->store, err)) return false;
    generation = now.generation;
    sg_store_info_clear(&now);
    if (s->search && generation == s->generation) return true;
    if (!sg_store_load(&codes, &ids, &n, &generation, s->index->store, err)) return false;
    bool ok = sg_search_new(&fresh, s->index->info.kind, NULL, s->index->info.nbits, codes, ids, n, err);
    sg_free(codes);
    sg_free(ids);
    if (!ok) return false;
    sg_search_free(s->search);
    s->search = fresh;
    s->generation = generation;
    return true;
}

bool sg_searcher_new(sg_searcher **searcher, sg_index *index, sg_error *err)
{
    *searcher = NULL;
    sg_searcher *s = sg_calloc(1, sizeof *s);
    if (!s) return sg_fail_memory(err, "searcher");
    s->index = index;
    if (!refresh(s, err)) {
        sg_searcher_free(s);
        return false;
    }
    *searcher = s;
    return true;
}

void sg_searcher_free(sg_searcher *searcher)
{
    if (!searcher) return;
    sg_search_free(searcher->search);
    sg_free(searcher);
}

static bool find_paths(sg_answer *answer, sg_searcher *s, sg_error *err)
{
    answer->paths = sg_calloc(answer->result.n, sizeof *answer->paths);
    if (!answer->paths) return sg_fail_memory(err, "answer");
    for (size_t i = 0; i < answer->result.n; i++) {
        sg_item item;
        if (!sg_store_get(&item, &answer->paths[i], s->index->store, answer->result.hits[i].id, err))
            return false;
    }
    return true;
}

static void clear_result(sg_answer *answer)
{
    for (size_t i = 0; answer->paths && i < answer->result.n; i++) sg_free(answer->paths[i]);
    sg_free(answer->paths);
    answer->paths = NULL;
    sg_search_result_clear(&answer->result);
}

/* Codes are of one generation, paths of a later one perhaps: what was removed in between is looked for again. */
static bool search(sg_answer *answer, sg_searcher *s, size_t k, int radius, sg_error *err)
{
    const sg_search_ask ask = {.k = k, .radius = radius};
    for (int i = 0; i < ATTEMPTS; i++) {
        sg_error why = {SG_OK, ""};
        if (refresh(s, &why) && sg_search_run(&answer->result, s->search, answer->code, 1, &ask, &why) &&
            find_paths(answer, s, &why)) {
            answer->generation = s->generation;
            return true;
        }
        clear_result(answer);
        if (err) *err = why;
        if (why.code != SG_ERR_NOT_FOUND) return false;
    }
    return false;
}

bool sg_searcher_code(sg_answer *answer, sg_searcher *searcher, const uint8_t *code, size_t k, int radius,
                      sg_error *err)
{
    size_t nbits = searcher->index->info.nbits;
    *answer = (sg_answer){.nbits = nbits};
    answer->code = sg_memdup(code, nbits / 8);
    if (answer->code ? search(answer, searcher, k, radius, err) : sg_fail_memory(err, "answer")) return true;
    sg_answer_clear(answer);
    return false;
}

bool sg_searcher_image(sg_answer *answer, sg_searcher *searcher, const char *path, size_t k, int radius,
                       sg_error *err)
{
    sg_index *index = searcher->index;
    sg_image image;
    SG_ASSERT(index->encoder);
    *answer = (sg_answer){0};
    const sg_decode_options options = sg_preprocess_decode(&index->model->preprocess);
    if (!sg_image_load(&image, path, &options, err)) return false;
    float *z = sg_alloc(index->info.nbits, sizeof *z);
    uint8_t *code = sg_alloc(index->info.nbits / 8, 1);
    char *query = sg_strdup(path);
    bool ok = z && code && query ? true : sg_fail_memory(err, path);
    if (ok) ok = sg_encoder_image(index->encoder, z, &image, err) || sg_prefix(err, "%s", path);
    sg_image_clear(&image);
    if (ok) {
        sg_codes_pack(code, z, 1, index->info.nbits);
        ok = sg_searcher_code(answer, searcher, code, k, radius, err);
    }
    if (ok) answer->query = query, query = NULL;
    sg_free(query);
    sg_free(code);
    sg_free(z);
    return ok;
}

void sg_answer_clear(sg_answer *answer)
{
    clear_result(answer);
    sg_free(answer->query);
    sg_free(answer->code);
    *answer = (sg_answer){0};
}
