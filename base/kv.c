#include <signet/kv.h>

#include <math.h>
#include <signet/buf.h>
#include <signet/mem.h>
#include <string.h>

/* Where `key` is, or (false) where it belongs. */
static bool find(size_t *at, const sg_kv *kv, const char *key)
{
    size_t lo = 0, hi = kv->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = strcmp(kv->pairs[mid].key, key);
        if (order == 0) {
            *at = mid;
            return true;
        }
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *at = lo;
    return false;
}

bool sg_kv_set(sg_kv *kv, const char *key, const char *value, sg_error *err)
{
    size_t at;
    char *key_copy = NULL, *value_copy = sg_strdup(value);
    if (!value_copy) return sg_fail_memory(err, key);
    if (find(&at, kv, key)) {
        sg_free(kv->pairs[at].value);
        kv->pairs[at].value = value_copy;
        return true;
    }
    key_copy = sg_strdup(key);
    if (!key_copy || !sg_grow(&kv->pairs, &kv->cap, kv->n + 1, sizeof *kv->pairs)) {
        sg_free(key_copy);
        sg_free(value_copy);
        return sg_fail_memory(err, key);
    }
    memmove(kv->pairs + at + 1, kv->pairs + at, (kv->n - at) * sizeof *kv->pairs);
    kv->pairs[at] = (sg_kv_pair){key_copy, value_copy};
    kv->n++;
    return true;
}

bool sg_kv_setf(sg_kv *kv, sg_error *err, const char *key, const char *format, ...)
{
    sg_buf value = SG_BUF_INIT;
    va_list args;
    va_start(args, format);
    sg_buf_vprintf(&value, format, args);
    va_end(args);
    bool ok = sg_buf_ok(&value) ? sg_kv_set(kv, key, sg_buf_text(&value), err) : sg_fail_memory(err, key);
    sg_buf_clear(&value);
    return ok;
}

const char *sg_kv_get(const sg_kv *kv, const char *key)
{
    size_t at;
    return find(&at, kv, key) ? kv->pairs[at].value : NULL;
}

void sg_kv_remove(sg_kv *kv, const char *key)
{
    size_t at;
    if (!find(&at, kv, key)) return;
    sg_free(kv->pairs[at].key);
    sg_free(kv->pairs[at].value);
    memmove(kv->pairs + at, kv->pairs + at + 1, (kv->n - at - 1) * sizeof *kv->pairs);
    kv->n--;
}

bool sg_kv_copy(sg_kv *to, const sg_kv *from, sg_error *err)
{
    sg_kv copy = SG_KV_INIT;
    for (size_t i = 0; i < from->n; i++) {
        if (sg_kv_set(&copy, from->pairs[i].key, from->pairs[i].value, err)) continue;
        sg_kv_clear(&copy);
        return false;
    }
    sg_kv_clear(to);
    *to = copy;
    return true;
}

void sg_kv_clear(sg_kv *kv)
{
    for (size_t i = 0; i < kv->n; i++) {
        sg_free(kv->pairs[i].key);
        sg_free(kv->pairs[i].value);
    }
    sg_free(kv->pairs);
    *kv = (sg_kv)SG_KV_INIT;
}

bool sg_kv_get_int(int64_t *value, const sg_kv *kv, const char *key, sg_error *err)
{
    const char *text = sg_kv_get(kv, key);
    if (!text) return sg_fail(err, SG_ERR_NOT_FOUND, "%s: is missing", key);
    return sg_parse_int(value, text) ? true
                                     : sg_fail(err, SG_ERR_FORMAT, "%s: '%s' is no whole number", key, text);
}

bool sg_kv_get_float(float *value, const sg_kv *kv, const char *key, sg_error *err)
{
    double wide;
    const char *text = sg_kv_get(kv, key);
    if (!text) return sg_fail(err, SG_ERR_NOT_FOUND, "%s: is missing", key);
    if (!sg_parse_float(&wide, text) || !isfinite((float)wide))
        return sg_fail(err, SG_ERR_FORMAT, "%s: '%s' is no number", key, text);
    *value = (float)wide;
    return true;
}
