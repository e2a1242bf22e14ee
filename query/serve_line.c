/* A request to its answer. */
#include "answer_impl.h"
#include "searcher_impl.h"
#include "serve_impl.h"

#include <signet/mem.h>
#include <string.h>

#define USUAL_K  10
#define ATTEMPTS 3 /* against an index that is replaced while a code is made */

/* k of what is asked for. Without k all within the radius, or all that are re-ranked of it; one more than may be told shows
 * that there are too many. */
static sg_ask ask_of(const sg_request *r, const sg_ask *usual)
{
    sg_ask ask = *usual;
    ask.where = r->where.n > 0 ? &r->where : NULL;
    if (r->k >= 0 || r->radius >= 0) {
        ask.k = r->k >= 0 ? (size_t)r->k : r->radius >= 0 ? 0 : USUAL_K;
        ask.radius = (int)r->radius;
    }
    ask.rerank = ask.rerank || r->rerank;
    if (r->rerank)
        ask.rerank_from = (size_t)r->rerank_from;
    else if (ask.rerank_from > 0 && ask.rerank_from < ask.k)
        ask.rerank_from = ask.k;
    if (ask.k == 0 && !(ask.rerank && ask.rerank_from > 0)) ask.k = SG_REQUEST_RESULTS + 1;
    return ask;
}

static bool answer_code(sg_answer *answer, sg_searcher *s, const char *hex, const sg_ask *ask, sg_error *err)
{
    uint8_t code[SG_BITS_MAX / 8];
    size_t nbits = s->index->info.nbits;
    if (strlen(hex) != nbits / 4 || !sg_unhex(code, nbits / 8, hex))
        return sg_fail(err, SG_ERR_FORMAT, "\"%s\" is not a code of %zu bits in hex digits", hex, nbits);
    return sg_searcher_code(answer, s, code, ask, err);
}

static bool answer_once(sg_answer *answer, sg_searcher *s, const sg_request *r, const sg_ask *ask,
                        sg_error *err)
{
    if (!sg_searcher_refresh(s, err)) return false;
    if (r->path) return sg_searcher_image(answer, s, r->path, ask, err);
    if (r->bytes.size > 0) return sg_searcher_bytes(answer, s, r->bytes.data, r->bytes.size, ask, err);
    if (r->code) return answer_code(answer, s, r->code, ask, err);
    return sg_searcher_item(answer, s, (uint64_t)r->id, ask, err);
}

static bool answer_request(sg_answer *answer, sg_searcher *s, const sg_request *r, const sg_ask *usual,
                           sg_error *err)
{
    const sg_ask ask = ask_of(r, usual);
    bool ok = answer_once(answer, s, r, &ask, err);
    for (int i = 1; !ok && i < ATTEMPTS && sg_index_is_outdated(s->index->store); i++)
        ok = answer_once(answer, s, r, &ask, err);
    if (ok && answer->result.n > SG_REQUEST_RESULTS) {
        sg_answer_clear(answer);
        ok = sg_fail(err, SG_ERR_LIMIT, "more than %d results: ask for k of them", SG_REQUEST_RESULTS);
    }
    return ok;
}

static bool put_line(sg_buf *out, sg_json *root, const sg_request *r)
{
    char *text;
    if (r && r->tagged && r->tag) sg_json_add_string(root, "request", r->tag);
    if (r && r->tagged && !r->tag) sg_json_add_int(root, "request", r->tag_number);
    bool ok = sg_json_print(&text, root, false, NULL);
    sg_json_free(root);
    if (!ok) return false;
    sg_buf_puts(out, text);
    sg_buf_puts(out, "\n");
    sg_free(text);
    return sg_buf_ok(out);
}

static bool put_error(sg_buf *out, const sg_error *why, const sg_request *r)
{
    sg_json *root = sg_json_object();
    sg_json_add_string(root, "error", why->message);
    return put_line(out, root, r);
}

bool sg_serve_error(sg_buf *out, const sg_error *why)
{
    return put_error(out, why, NULL);
}

bool sg_serve_line(sg_buf *out, sg_searcher *searcher, const sg_ask *usual, const char *line, size_t nbytes)
{
    sg_request request;
    sg_answer answer = {0};
    sg_error why = {SG_OK, ""};
    bool ok = sg_request_parse(&request, line, nbytes, &why) &&
              answer_request(&answer, searcher, &request, usual, &why);
    ok = ok ? put_line(out, sg_answer_object(&answer), &request) : put_error(out, &why, &request);
    sg_answer_clear(&answer);
    sg_request_clear(&request);
    return ok;
}
