/* Requests to a server, as lines of JSON. */
#include <signet/serve.h>

#include <inttypes.h>
#include <signet/json.h>
#include <signet/mem.h>
#include <string.h>

static bool fail_key(const char *key, const char *wanted, sg_error *err)
{
    return sg_fail(err, SG_ERR_FORMAT, "\"%s\" is not %s", key, wanted);
}

static bool take_image(sg_request *r, const char *key, const sg_json *value, const sg_json *root,
                       sg_error *err)
{
    (void)value;
    if (!r->path && !sg_json_path(&r->path, root, "image", err)) return false;
    /* Elsewhere that is standard input: nobody's here. */
    return !r->path || strcmp(r->path, "-") != 0 || fail_key(key, "a path (a file of that name is ./-)", err);
}

static bool take_bytes(sg_request *r, const char *key, const sg_json *value, const sg_json *root,
                       sg_error *err)
{
    (void)root;
    const char *text = sg_json_string(value);
    if (!text || !sg_buf_put_unbase64(&r->bytes, text) || r->bytes.size == 0)
        return fail_key(key, "base64 of a picture", err);
    return sg_buf_ok(&r->bytes) ? true : sg_fail_memory(err, "picture");
}

static bool take_code(sg_request *r, const char *key, const sg_json *value, const sg_json *root,
                      sg_error *err)
{
    (void)root;
    const char *text = sg_json_string(value);
    if (!text) return fail_key(key, "text", err);
    return (r->code = sg_strdup(text)) ? true : sg_fail_memory(err, "request");
}

static bool take_count(int64_t *count, const char *key, const sg_json *value, int64_t min, int64_t max,
                       sg_error *err)
{
    if (sg_json_int(count, value) && *count >= min && *count <= max) return true;
    return sg_fail(err, SG_ERR_FORMAT, "\"%s\" is not a whole number from %" PRId64 " to %" PRId64, key, min,
                   max);
}

static bool take_id(sg_request *r, const char *key, const sg_json *value, const sg_json *root, sg_error *err)
{
    (void)root;
    return take_count(&r->id, key, value, 1, INT64_C(1) << 53, err);
}

static bool take_k(sg_request *r, const char *key, const sg_json *value, const sg_json *root, sg_error *err)
{
    (void)root;
    return take_count(&r->k, key, value, 1, SG_REQUEST_RESULTS, err);
}

static bool take_radius(sg_request *r, const char *key, const sg_json *value, const sg_json *root,
                        sg_error *err)
{
    (void)root;
    return take_count(&r->radius, key, value, 0, SG_BITS_MAX, err);
}

static bool take_rerank(sg_request *r, const char *key, const sg_json *value, const sg_json *root,
                        sg_error *err)
{
    (void)root;
    return sg_json_bool(&r->rerank, value) ? true : fail_key(key, "true or false", err);
}

static bool take_rerank_from(sg_request *r, const char *key, const sg_json *value, const sg_json *root,
                             sg_error *err)
{
    (void)root;
    return take_count(&r->rerank_from, key, value, 1, SG_REQUEST_RESULTS, err);
}

static bool add_term(sg_where *where, const char *key, const sg_json *value, sg_error *err)
{
    const char *text = sg_json_string(value);
    if (!text) return fail_key(key, "a text or a list of texts", err);
    return strcmp(key, "label") == 0 ? sg_where_add(where, SG_ATTRIBUTE_LABEL, text, err)
                                     : sg_where_parse_add(where, text, err);
}

/* One text, or a list of them. */
static bool take_where(sg_request *r, const char *key, const sg_json *value, const sg_json *root,
                       sg_error *err)
{
    (void)root;
    if (sg_json_string(value)) return add_term(&r->where, key, value, err);
    if (!sg_json_is_array(value)) return fail_key(key, "a text or a list of texts", err);
    for (const sg_json *item = sg_json_at(value, 0); item; item = sg_json_next(item))
        if (!add_term(&r->where, key, item, err)) return false;
    return true;
}

static bool take_tag(sg_request *r, const char *key, const sg_json *value, const sg_json *root, sg_error *err)
{
    (void)root;
    const char *text = sg_json_string(value);
    if (!text && !sg_json_int(&r->tag_number, value)) return fail_key(key, "text or a whole number", err);
    if (text && !(r->tag = sg_strdup(text))) return sg_fail_memory(err, "request");
    r->tagged = true;
    return true;
}

static const struct {
    const char *key;
    bool (*take)(sg_request *request, const char *key, const sg_json *value, const sg_json *root,
                 sg_error *err);
} keys[] = {{"request", take_tag}, /* first: an error about the others can tell it */
            {"image", take_image},
            {"image_hex", take_image},
            {"image_base64", take_bytes},
            {"code", take_code},
            {"id", take_id},
            {"k", take_k},
            {"radius", take_radius},
            {"where", take_where},
            {"label", take_where},
            {"rerank", take_rerank},
            {"rerank_from", take_rerank_from}};
#define NKEYS (sizeof keys / sizeof *keys)

static bool check_keys(const sg_json *root, sg_error *err)
{
    for (const sg_json *value = sg_json_at(root, 0); value; value = sg_json_next(value)) {
        const char *key = sg_json_name(value);
        size_t i = 0;
        if (!key) return sg_fail(err, SG_ERR_FORMAT, "a request is a JSON object");
        while (i < NKEYS && strcmp(keys[i].key, key) != 0) i++;
        if (i == NKEYS) return sg_fail(err, SG_ERR_FORMAT, "\"%s\" is no key of a request", key);
    }
    return true;
}

static bool check_one(const sg_request *r, sg_error *err)
{
    int n = (r->path != NULL) + (r->bytes.size > 0) + (r->code != NULL) + (r->id != 0);
    return n == 1
               ? true
               : sg_fail(
                     err, SG_ERR_FORMAT,
                     "a request has one of \"image\", \"image_hex\", \"image_base64\", \"code\" and \"id\"");
}

bool sg_request_parse(sg_request *request, const char *line, size_t nbytes, sg_error *err)
{
    sg_json *root;
    *request = (sg_request)SG_REQUEST_INIT;
    if (!sg_json_parse(&root, line, nbytes, err)) return false;
    bool ok = true;
    for (size_t i = 0; ok && i < NKEYS; i++) {
        const sg_json *value = sg_json_get(root, keys[i].key);
        if (value) ok = keys[i].take(request, keys[i].key, value, root, err);
    }
    ok = ok && check_keys(root, err) && check_one(request, err);
    if (request->rerank_from > 0) request->rerank = true;
    sg_json_free(root);
    return ok;
}

static bool put_where(sg_json *root, const sg_where *where, sg_error *err)
{
    sg_json *terms = where->n > 0 ? sg_json_add_array(root, "where") : NULL;
    bool ok = true;
    for (size_t i = 0; ok && i < where->n; i++) {
        const sg_where_term *t = &where->terms[i];
        sg_buf text = SG_BUF_INIT;
        sg_buf_puts(&text, t->key);
        if (t->value) sg_buf_printf(&text, "%s%s", t->absent ? "!=" : "=", t->value);
        if (!sg_buf_ok(&text))
            ok = sg_fail_memory(err, "request");
        else if (!sg_utf8_valid(text.data, text.size))
            ok = sg_fail(err, SG_ERR_USAGE, "a filter that is not UTF-8 cannot be sent to a server");
        else
            sg_json_add_string(terms, NULL, text.data);
        sg_buf_clear(&text);
    }
    return ok;
}

bool sg_request_print(char **line, const sg_request *r, sg_error *err)
{
    sg_json *root = sg_json_object();
    sg_buf base64 = SG_BUF_INIT;
    if (r->tagged && r->tag) sg_json_add_string(root, "request", r->tag);
    if (r->tagged && !r->tag) sg_json_add_int(root, "request", r->tag_number);
    if (r->path) sg_json_add_path(root, "image", r->path);
    if (r->bytes.size > 0) {
        sg_buf_put_base64(&base64, r->bytes.data, r->bytes.size);
        sg_json_add_string(root, "image_base64", sg_buf_text(&base64));
    }
    if (r->code) sg_json_add_string(root, "code", r->code);
    if (r->id) sg_json_add_int(root, "id", r->id);
    if (r->k >= 0) sg_json_add_int(root, "k", r->k);
    if (r->radius >= 0) sg_json_add_int(root, "radius", r->radius);
    bool ok = put_where(root, &r->where, err);
    if (r->rerank) sg_json_add_bool(root, "rerank", true);
    if (r->rerank_from > 0) sg_json_add_int(root, "rerank_from", r->rerank_from);
    if (ok && !sg_buf_ok(&base64)) ok = sg_fail_memory(err, "request");
    ok = ok && sg_json_print(line, root, false, err);
    sg_buf_clear(&base64);
    sg_json_free(root);
    return ok;
}

void sg_request_clear(sg_request *request)
{
    sg_free(request->path);
    sg_buf_clear(&request->bytes);
    sg_free(request->code);
    sg_free(request->tag);
    sg_where_clear(&request->where);
    *request = (sg_request)SG_REQUEST_INIT;
}
