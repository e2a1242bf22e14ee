#include <signet/attributes.h>

#include <signet/buf.h>
#include <signet/hash.h>
#include <signet/mem.h>
#include <string.h>

#define KEY_MAX 255

void sg_attributes_clear(sg_attributes *a)
{
    sg_free(a->data);
    *a = (sg_attributes)SG_ATTRIBUTES_INIT;
}

static const char *key_fault(const char *key)
{
    size_t n = strlen(key);
    if (n == 0 || n > KEY_MAX) return "a key of an attribute has 1 to 255 bytes";
    return strpbrk(key, "=\n") ? "a key of an attribute holds neither '=' nor a line feed" : NULL;
}

static const char *value_fault(const char *value)
{
    return strchr(value, '\n') ? "a value of an attribute holds no line feed" : NULL;
}

bool sg_attributes_next(const char **key, const char **value, const char *data, size_t nbytes, size_t *at)
{
    if (*at >= nbytes) return false;
    *key = data + *at;
    *value = *key + strlen(*key) + 1;
    *at = (size_t)(*value + strlen(*value) + 1 - data);
    return true;
}

static int compare(const char *key, const char *value, const char *other_key, const char *other_value)
{
    int order = strcmp(key, other_key);
    return order ? order : strcmp(value, other_value);
}

const char *sg_attributes_fault(const char *data, size_t nbytes)
{
    const char *key, *value, *last_key = NULL, *last_value = NULL, *fault;
    size_t nuls = 0;
    if (nbytes == 0) return NULL;
    for (size_t i = 0; i < nbytes; i++) nuls += data[i] == '\0';
    if (data[nbytes - 1] != '\0' || nuls % 2) return "attributes are pairs of texts that end in NUL";
    for (size_t at = 0; sg_attributes_next(&key, &value, data, nbytes, &at);) {
        if ((fault = key_fault(key)) || (fault = value_fault(value))) return fault;
        if (last_key && compare(last_key, last_value, key, value) >= 0) return "attributes are out of order";
        last_key = key;
        last_value = value;
    }
    return NULL;
}

bool sg_attributes_add(sg_attributes *a, const char *key, const char *value, sg_error *err)
{
    const char *fault = key_fault(key), *other_key, *other_value;
    size_t nkey = strlen(key) + 1, nvalue = strlen(value) + 1, place = 0;
    if (!fault) fault = value_fault(value);
    if (fault) return sg_fail(err, SG_ERR_USAGE, "%s=%s: %s", key, value, fault);
    for (size_t at = 0; sg_attributes_next(&other_key, &other_value, a->data, a->nbytes, &at); place = at) {
        int order = compare(other_key, other_value, key, value);
        if (order == 0) return true;
        if (order > 0) break;
    }
    char *data = sg_realloc(a->data, a->nbytes + nkey + nvalue, 1);
    if (!data) return sg_fail_memory(err, "attributes");
    memmove(data + place + nkey + nvalue, data + place, a->nbytes - place);
    memcpy(data + place, key, nkey);
    memcpy(data + place + nkey, value, nvalue);
    a->data = data;
    a->nbytes += nkey + nvalue;
    return true;
}

bool sg_attributes_parse_add(sg_attributes *a, const char *key_value, sg_error *err)
{
    const char *sign = strchr(key_value, '=');
    if (!sign) return sg_fail(err, SG_ERR_USAGE, "%s: an attribute is given as key=value", key_value);
    char *key = sg_strdup(key_value);
    if (!key) return sg_fail_memory(err, "attributes");
    key[sign - key_value] = '\0';
    bool ok = sg_attributes_add(a, key, sign + 1, err);
    sg_free(key);
    return ok;
}

void sg_attributes_drop(sg_attributes *a, const char *key, const char *value)
{
    const char *other_key, *other_value;
    size_t kept = 0, from = 0;
    for (size_t at = 0; sg_attributes_next(&other_key, &other_value, a->data, a->nbytes, &at); from = at) {
        if (strcmp(other_key, key) == 0 && (!value || strcmp(other_value, value) == 0)) continue;
        memmove(a->data + kept, a->data + from, at - from);
        kept += at - from;
    }
    a->nbytes = kept;
}

bool sg_attributes_set(sg_attributes *a, const char *data, size_t nbytes, sg_error *err)
{
    char *copy = nbytes > 0 ? sg_memdup(data, nbytes) : NULL;
    if (nbytes > 0 && !copy) return sg_fail_memory(err, "attributes");
    sg_attributes_clear(a);
    *a = (sg_attributes){copy, nbytes};
    return true;
}

bool sg_attributes_has(const char *data, size_t nbytes, const char *key, const char *value)
{
    const char *other_key, *other_value;
    for (size_t at = 0; sg_attributes_next(&other_key, &other_value, data, nbytes, &at);)
        if (strcmp(other_key, key) == 0 && (!value || strcmp(other_value, value) == 0)) return true;
    return false;
}

static bool all_utf8(const char *data, size_t nbytes)
{
    const char *key, *value;
    for (size_t at = 0; sg_attributes_next(&key, &value, data, nbytes, &at);)
        if (!sg_utf8_valid(key, strlen(key)) || !sg_utf8_valid(value, strlen(value))) return false;
    return true;
}

/* The list of a key's values: keys that differ only in bytes that are not UTF-8 share one. */
static sg_json *values_of(sg_json *object, const char *key)
{
    sg_buf name = SG_BUF_INIT;
    sg_json *values = NULL;
    sg_buf_put_utf8(&name, key);
    if (sg_buf_ok(&name)) values = (sg_json *)sg_json_get(object, sg_buf_text(&name));
    if (sg_buf_ok(&name) && !values) values = sg_json_add_array(object, sg_buf_text(&name));
    sg_buf_clear(&name);
    return values;
}

void sg_json_add_attributes(sg_json *parent, const char *data, size_t nbytes)
{
    const char *key, *value, *last = NULL;
    sg_json *object = sg_json_add_object(parent, "attributes"), *values = NULL;
    for (size_t at = 0; sg_attributes_next(&key, &value, data, nbytes, &at); last = key) {
        if (!last || strcmp(last, key) != 0) values = values_of(object, key);
        if (!values) sg_json_add(parent, "attributes", NULL); /* marks the failure */
        sg_json_add_string(values, NULL, value);
    }
    if (all_utf8(data, nbytes)) return;
    char *hex = sg_alloc(nbytes, 2 + 1);
    if (hex) {
        sg_hex(hex, data, nbytes);
        sg_json_add_string(parent, "attributes_hex", hex);
    } else {
        sg_json_add(parent, "attributes_hex", NULL);
    }
    sg_free(hex);
}
