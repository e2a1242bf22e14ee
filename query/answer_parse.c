/* An answer read back from its JSON, as a server sends it. */
#include "answer_impl.h"

#include <signet/mem.h>
#include <string.h>

static bool fail(const char *key, sg_error *err)
{
    return sg_fail(err, SG_ERR_FORMAT, "an answer whose \"%s\" is missing or makes no sense", key);
}

/* A whole number from 0 to max. */
static bool parse_count(uint64_t *value, const sg_json *object, const char *key, uint64_t max, sg_error *err)
{
    int64_t number;
    if (!sg_json_int(&number, sg_json_get(object, key)) || number < 0 || (uint64_t)number > max)
        return fail(key, err);
    *value = (uint64_t)number;
    return true;
}

static bool parse_text(char *text, size_t size, const sg_json *object, const char *key, sg_error *err)
{
    const char *given = sg_json_string(sg_json_get(object, key));
    if (!given || strlen(given) >= size) return fail(key, err);
    strcpy(text, given);
    return true;
}

static bool parse_code(sg_answer *answer, const sg_json *root, sg_error *err)
{
    const char *hex = sg_json_string(sg_json_get(root, "code"));
    size_t nbytes = hex ? strlen(hex) / 2 : 0;
    if (nbytes == 0 || nbytes > SG_BITS_MAX / 8) return fail("code", err);
    answer->nbits = 8 * nbytes;
    answer->code = sg_alloc(nbytes, 1);
    if (!answer->code) return sg_fail_memory(err, "answer");
    return sg_unhex(answer->code, nbytes, hex) ? true : fail("code", err);
}

static bool parse_values(sg_attributes *a, const char *key, const sg_json *values, sg_error *err)
{
    for (size_t i = 0; i < sg_json_size(values); i++) {
        const char *value = sg_json_string(sg_json_at(values, i));
        if (!value) return fail("attributes", err);
        if (!sg_attributes_add(a, key, value, err)) return false;
    }
    return true;
}

static bool parse_attributes(sg_attributes *a, const sg_json *item, sg_error *err)
{
    const sg_json *object = sg_json_get(item, "attributes");
    const char *hex = sg_json_string(sg_json_get(item, "attributes_hex"));
    if (hex) {
        size_t nbytes = strlen(hex) / 2;
        char *data = sg_alloc(nbytes, 1);
        if (!data) return sg_fail_memory(err, "answer");
        bool ok = sg_unhex(data, nbytes, hex) && !sg_attributes_fault(data, nbytes)
                      ? sg_attributes_set(a, data, nbytes, err)
                      : fail("attributes_hex", err);
        sg_free(data);
        return ok;
    }
    for (size_t i = 0; i < sg_json_size(object); i++) {
        const char *key = sg_json_key(object, i);
        if (!key) return fail("attributes", err);
        if (!parse_values(a, key, sg_json_get(object, key), err)) return false;
    }
    return true;
}

static bool parse_result(sg_answer *answer, size_t i, const sg_json *item, sg_error *err)
{
    uint64_t distance;
    sg_hit *hit = &answer->result.hits[i];
    if (!parse_count(&hit->id, item, "id", UINT64_MAX, err) ||
        !parse_count(&distance, item, "distance", answer->nbits, err) ||
        !sg_json_path(&answer->paths[i], item, "path", err) ||
        !parse_attributes(&answer->attributes[i], item, err))
        return false;
    hit->distance = (uint32_t)distance;
    if (answer->scores && !sg_json_number(&answer->scores[i], sg_json_get(item, "score")))
        return fail("score", err);
    return true;
}

static bool parse_results(sg_answer *answer, const sg_json *root, sg_error *err)
{
    const sg_json *results = sg_json_get(root, "results");
    uint64_t reranked = 0;
    size_t n = sg_json_size(results);
    if (!results || sg_json_key(results, 0)) return fail("results", err);
    bool scored = sg_json_get(root, "reranked") != NULL;
    if (scored && !parse_count(&reranked, root, "reranked", SIZE_MAX, err)) return false;
    answer->reranked = (size_t)reranked;
    answer->result.hits = sg_calloc(n, sizeof *answer->result.hits);
    answer->paths = sg_calloc(n, sizeof *answer->paths);
    answer->attributes = sg_calloc(n, sizeof *answer->attributes);
    answer->scores = scored ? sg_calloc(n, sizeof *answer->scores) : NULL;
    if (!answer->result.hits || !answer->paths || !answer->attributes || (scored && !answer->scores))
        return sg_fail_memory(err, "answer");
    answer->result.n = n;
    const sg_json *item = sg_json_at(results, 0);
    for (size_t i = 0; i < n; i++, item = sg_json_next(item))
        if (!parse_result(answer, i, item, err)) return false;
    return true;
}

static bool parse(sg_answer *answer, const sg_json *root, sg_error *err)
{
    bool match;
    const char *failed = sg_json_string(sg_json_get(root, "error"));
    if (failed) return sg_fail(err, SG_ERR_FORMAT, "%s", failed);
    if (sg_json_get(root, "query_id") && !parse_count(&answer->query_id, root, "query_id", UINT64_MAX, err))
        return false;
    if (sg_json_get(root, "query_path") && !sg_json_path(&answer->query_path, root, "query_path", err))
        return false;
    if (!sg_json_bool(&answer->result.exact, sg_json_get(root, "exact"))) return fail("exact", err);
    if (!sg_json_bool(&answer->result.complete, sg_json_get(root, "complete"))) return fail("complete", err);
    if (!sg_json_bool(&match, sg_json_get(root, "recipe_match"))) return fail("recipe_match", err);
    return sg_json_path(&answer->query, root, "query", err) && parse_code(answer, root, err) &&
           parse_results(answer, root, err) &&
           parse_count(&answer->generation, root, "generation", UINT64_MAX, err) &&
           parse_count(&answer->items, root, "items", UINT64_MAX, err) &&
           parse_text(answer->fingerprint, sizeof answer->fingerprint, root, "fingerprint", err) &&
           (match || parse_text(answer->recipe_difference, sizeof answer->recipe_difference, root,
                                "recipe_difference", err));
}

bool sg_answer_parse(sg_answer *answer, const char *json, size_t nbytes, sg_error *err)
{
    sg_json *root;
    *answer = (sg_answer){0};
    if (!sg_json_parse(&root, json, nbytes, err)) return false;
    bool ok = parse(answer, root, err);
    sg_json_free(root);
    if (!ok) sg_answer_clear(answer);
    return ok;
}
