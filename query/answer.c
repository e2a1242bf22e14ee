/* Answers as text and as JSON. */
#include "index_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <signet/buf.h>
#include <signet/json.h>
#include <signet/mem.h>
#include <signet/query.h>
#include <string.h>

static bool print(FILE *out, const char *text, sg_error *err)
{
    if (fputs(text, out) < 0 || ferror(out)) return sg_fail_errno(err, errno, "cannot write the answer");
    return true;
}

bool sg_answer_text(FILE *out, const sg_answer *answer, sg_error *err)
{
    sg_buf text = SG_BUF_INIT;
    for (size_t i = 0; i < answer->result.n; i++) {
        const sg_hit *hit = &answer->result.hits[i];
        sg_buf_printf(&text, "%" PRIu32 " %" PRIu64 " ", hit->distance, hit->id);
        if (answer->paths[i]) sg_buf_put_line(&text, answer->paths[i]);
        sg_buf_puts(&text, "\n");
    }
    bool ok = sg_buf_ok(&text) ? print(out, sg_buf_text(&text), err) : sg_fail_memory(err, "answer");
    sg_buf_clear(&text);
    return ok;
}

static void put_results(sg_json *root, const sg_answer *answer)
{
    sg_json *results = sg_json_add_array(root, "results");
    for (size_t i = 0; i < answer->result.n; i++) {
        sg_json *one = sg_json_add_object(results, NULL);
        sg_json_add_int(one, "rank", (int64_t)i + 1);
        sg_json_add_int(one, "id", (int64_t)answer->result.hits[i].id);
        if (answer->paths[i])
            sg_json_add_path(one, "path", answer->paths[i]);
        else
            sg_json_add_string(one, "path", NULL);
        sg_json_add_int(one, "distance", answer->result.hits[i].distance);
    }
}

bool sg_answer_json(FILE *out, const sg_answer *answer, const sg_index *index, sg_error *err)
{
    char hex[SG_BITS_MAX / 4 + 1], *text = NULL;
    sg_json *root = sg_json_object();
    bool same = index->differs[0] == '\0';
    sg_hex(hex, answer->code, answer->nbits / 8);
    if (answer->query)
        sg_json_add_path(root, "query", answer->query);
    else
        sg_json_add_string(root, "query", NULL);
    sg_json_add_string(root, "code", hex);
    put_results(root, answer);
    sg_json_add_bool(root, "exact", answer->result.exact);
    sg_json_add_bool(root, "complete", answer->result.complete);
    sg_json_add_int(root, "generation", (int64_t)answer->generation);
    sg_json_add_string(root, "fingerprint", index->info.fingerprint);
    sg_json_add_bool(root, "recipe_match", same);
    if (!same) sg_json_add_string(root, "recipe_difference", index->differs);
    bool ok = sg_json_print(&text, root, false, err) && print(out, text, err) && print(out, "\n", err);
    sg_free(text);
    sg_json_free(root);
    return ok;
}
