/* Answers as text and as JSON. */
#include "answer_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <signet/buf.h>
#include <signet/mem.h>
#include <string.h>

void sg_answer_clear(sg_answer *answer)
{
    for (size_t i = 0; i < answer->result.n; i++) {
        if (answer->paths) sg_free(answer->paths[i]);
        if (answer->attributes) sg_attributes_clear(&answer->attributes[i]);
    }
    sg_free(answer->paths);
    sg_free(answer->attributes);
    sg_free(answer->scores);
    sg_search_result_clear(&answer->result);
    sg_free(answer->query);
    sg_free(answer->query_path);
    sg_free(answer->code);
    *answer = (sg_answer){0};
}

static bool print(FILE *out, const void *bytes, size_t nbytes, sg_error *err)
{
    if (fwrite(bytes, 1, nbytes, out) < nbytes || ferror(out))
        return sg_fail_errno(err, errno, "cannot write the answer");
    return true;
}

bool sg_answer_text(FILE *out, const sg_answer *answer, bool zero, sg_error *err)
{
    sg_buf text = SG_BUF_INIT;
    for (size_t i = 0; i < answer->result.n; i++) {
        const sg_hit *hit = &answer->result.hits[i];
        const char *path = answer->paths[i] ? answer->paths[i] : "-";
        sg_buf_printf(&text, "%" PRIu32 " %" PRIu64 " ", hit->distance, hit->id);
        if (zero) {
            sg_buf_put(&text, path, strlen(path) + 1);
        } else {
            sg_buf_put_line(&text, path);
            sg_buf_puts(&text, "\n");
        }
    }
    bool ok =
        sg_buf_ok(&text) ? print(out, sg_buf_text(&text), text.size, err) : sg_fail_memory(err, "answer");
    sg_buf_clear(&text);
    return ok;
}

static void put_results(sg_json *root, const sg_answer *answer)
{
    sg_json *results = sg_json_add_array(root, "results");
    for (size_t i = 0; i < answer->result.n; i++) {
        sg_json *one = sg_json_add_object(results, NULL);
        const sg_attributes *a = answer->attributes ? &answer->attributes[i] : NULL;
        sg_json_add_int(one, "rank", (int64_t)i + 1);
        sg_json_add_int(one, "id", (int64_t)answer->result.hits[i].id);
        if (answer->paths[i])
            sg_json_add_path(one, "path", answer->paths[i]);
        else
            sg_json_add_string(one, "path", NULL);
        sg_json_add_int(one, "distance", answer->result.hits[i].distance);
        if (answer->scores) sg_json_add_number(one, "score", answer->scores[i]);
        if (a && a->nbytes > 0) sg_json_add_attributes(one, a->data, a->nbytes);
    }
}

sg_json *sg_answer_object(const sg_answer *answer)
{
    char hex[SG_BITS_MAX / 4 + 1];
    sg_json *root = sg_json_object();
    bool same = answer->recipe_difference[0] == '\0';
    sg_hex(hex, answer->code, answer->nbits / 8);
    if (answer->query)
        sg_json_add_path(root, "query", answer->query);
    else
        sg_json_add_string(root, "query", NULL);
    if (answer->query_id) sg_json_add_int(root, "query_id", (int64_t)answer->query_id);
    if (answer->query_path) sg_json_add_path(root, "query_path", answer->query_path);
    sg_json_add_string(root, "code", hex);
    put_results(root, answer);
    sg_json_add_bool(root, "exact", answer->result.exact);
    sg_json_add_bool(root, "complete", answer->result.complete);
    if (answer->scores) sg_json_add_int(root, "reranked", (int64_t)answer->reranked);
    sg_json_add_int(root, "generation", (int64_t)answer->generation);
    sg_json_add_int(root, "items", (int64_t)answer->items);
    sg_json_add_string(root, "fingerprint", answer->fingerprint);
    sg_json_add_bool(root, "recipe_match", same);
    if (!same) sg_json_add_string(root, "recipe_difference", answer->recipe_difference);
    return root;
}

bool sg_answer_json(FILE *out, const sg_answer *answer, sg_error *err)
{
    char *text = NULL;
    sg_json *root = sg_answer_object(answer);
    bool ok = sg_json_print(&text, root, false, err) && print(out, text, strlen(text), err) &&
              print(out, "\n", 1, err);
    sg_free(text);
    sg_json_free(root);
    return ok;
}
