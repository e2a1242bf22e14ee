/* The door to cJSON. An sg_json is a cJSON node. A container whose building failed is marked in its valueint,
 * which cJSON uses for numbers alone; printing looks for the mark. */
#include <signet/json.h>

#include "json_check_impl.h"
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <signet/buf.h>
#include <signet/hash.h>
#include <signet/kv.h>
#include <signet/mem.h>
#include <stdio.h>
#include <string.h>

#define FAILED 1

static pthread_once_t hooked = PTHREAD_ONCE_INIT;

static void *hook_alloc(size_t nbytes)
{
    return sg_alloc(nbytes, 1);
}

static void hook(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = hook_alloc, .free_fn = sg_free});
}

static cJSON *node(const sg_json *json)
{
    return (cJSON *)json;
}

static sg_json *of(cJSON *item)
{
    return (sg_json *)item;
}

sg_json *sg_json_object(void)
{
    pthread_once(&hooked, hook);
    return of(cJSON_CreateObject());
}

sg_json *sg_json_array(void)
{
    pthread_once(&hooked, hook);
    return of(cJSON_CreateArray());
}

void sg_json_free(sg_json *json)
{
    cJSON_Delete(node(json));
}

static void mark_failed(sg_json *parent)
{
    if (parent) node(parent)->valueint = FAILED;
}

/* Adds `child`, which it takes; NULL when it could not. */
static sg_json *add(sg_json *parent, const char *key, cJSON *child)
{
    if (parent && child) {
        SG_ASSERT(key ? cJSON_IsObject(node(parent)) : cJSON_IsArray(node(parent)));
        if (key ? cJSON_AddItemToObject(node(parent), key, child) : cJSON_AddItemToArray(node(parent), child))
            return of(child);
    }
    cJSON_Delete(child);
    mark_failed(parent);
    return NULL;
}

void sg_json_add(sg_json *parent, const char *key, sg_json *child)
{
    add(parent, key, node(child));
}

sg_json *sg_json_add_object(sg_json *parent, const char *key)
{
    return add(parent, key, cJSON_CreateObject());
}

sg_json *sg_json_add_array(sg_json *parent, const char *key)
{
    return add(parent, key, cJSON_CreateArray());
}

void sg_json_add_string(sg_json *parent, const char *key, const char *text)
{
    sg_buf valid = SG_BUF_INIT;
    if (text) sg_buf_put_utf8(&valid, text);
    if (sg_buf_ok(&valid))
        add(parent, key, text ? cJSON_CreateString(sg_buf_text(&valid)) : cJSON_CreateNull());
    else
        mark_failed(parent);
    sg_buf_clear(&valid);
}

void sg_json_add_number(sg_json *parent, const char *key, double value)
{
    char digits[32]; /* cJSON would print what is equal within its epsilon */
    sg_double_text(digits, value);
    add(parent, key, isfinite(value) ? cJSON_CreateRaw(digits) : cJSON_CreateNull());
}

void sg_json_add_int(sg_json *parent, const char *key, int64_t value)
{
    char digits[24]; /* cJSON's numbers are doubles: 53 bits */
    snprintf(digits, sizeof digits, "%" PRId64, value);
    add(parent, key, cJSON_CreateRaw(digits));
}

void sg_json_add_bool(sg_json *parent, const char *key, bool value)
{
    add(parent, key, cJSON_CreateBool(value));
}

void sg_json_add_path(sg_json *parent, const char *key, const char *path)
{
    size_t nbytes = strlen(path);
    sg_json_add_string(parent, key, path);
    if (sg_utf8_valid(path, nbytes)) return;
    sg_buf key_hex = SG_BUF_INIT;
    char *hex = sg_alloc(nbytes, 2 + 1);
    sg_buf_printf(&key_hex, "%s_hex", key);
    if (hex && sg_buf_ok(&key_hex)) {
        sg_hex(hex, path, nbytes);
        add(parent, key_hex.data, cJSON_CreateString(hex));
    } else {
        mark_failed(parent);
    }
    sg_free(hex);
    sg_buf_clear(&key_hex);
}

static bool is_sound(const cJSON *item)
{
    if (!cJSON_IsObject(item) && !cJSON_IsArray(item)) return true;
    if (item->valueint == FAILED) return false;
    for (const cJSON *child = item->child; child; child = child->next)
        if (!is_sound(child)) return false;
    return true;
}

bool sg_json_print(char **text, const sg_json *json, bool pretty, sg_error *err)
{
    char *printed = NULL;
    if (json && is_sound(node(json)))
        printed = pretty ? cJSON_Print(node(json)) : cJSON_PrintUnformatted(node(json));
    if (!printed) return sg_fail_memory(err, "JSON");
    *text = printed;
    return true;
}

bool sg_json_parse(sg_json **json, const char *text, size_t nbytes, sg_error *err)
{
    pthread_once(&hooked, hook);
    if (!sg_json_check(text, nbytes, err)) return false;
    cJSON *parsed = cJSON_ParseWithLength(text, nbytes);
    if (!parsed) return sg_fail_memory(err, "JSON"); /* the text is right */
    *json = of(parsed);
    return true;
}

const sg_json *sg_json_get(const sg_json *object, const char *key)
{
    return cJSON_IsObject(node(object)) ? of(cJSON_GetObjectItemCaseSensitive(node(object), key)) : NULL;
}

/* The i-th child, NULL when there are fewer. */
static const cJSON *child_at(const sg_json *json, size_t i)
{
    const cJSON *child = json ? node(json)->child : NULL;
    for (; child && i > 0; i--) child = child->next;
    return child;
}

const sg_json *sg_json_at(const sg_json *array, size_t i)
{
    return of((cJSON *)child_at(array, i));
}

const sg_json *sg_json_next(const sg_json *value)
{
    return value ? of(node(value)->next) : NULL;
}

const char *sg_json_name(const sg_json *value)
{
    return value ? node(value)->string : NULL;
}

bool sg_json_is_array(const sg_json *json)
{
    return cJSON_IsArray(node(json));
}

size_t sg_json_size(const sg_json *array_or_object)
{
    return array_or_object ? (size_t)cJSON_GetArraySize(node(array_or_object)) : 0;
}

const char *sg_json_key(const sg_json *object, size_t i)
{
    const cJSON *child = child_at(object, i);
    return child ? child->string : NULL;
}

const char *sg_json_string(const sg_json *json)
{
    return cJSON_GetStringValue(node(json));
}

bool sg_json_number(double *value, const sg_json *json)
{
    if (!cJSON_IsNumber(node(json)) || !isfinite(node(json)->valuedouble)) return false;
    *value = node(json)->valuedouble;
    return true;
}

bool sg_json_int(int64_t *value, const sg_json *json)
{
    double number;
    if (!sg_json_number(&number, json) || number != floor(number) || fabs(number) > 0x1p53) return false;
    *value = (int64_t)number;
    return true;
}

bool sg_json_bool(bool *value, const sg_json *json)
{
    if (!cJSON_IsBool(node(json))) return false;
    *value = cJSON_IsTrue(node(json));
    return true;
}

/* Text of hex digits as bytes, of which none is NUL. */
static bool path_of_hex(char **path, const char *hex, const char *key, sg_error *err)
{
    size_t nbytes = hex ? strlen(hex) / 2 : 0;
    char *bytes = sg_calloc(nbytes + 1, 1);
    if (!bytes) return sg_fail_memory(err, key);
    if (hex && sg_unhex(bytes, nbytes, hex) && strlen(bytes) == nbytes) {
        *path = bytes;
        return true;
    }
    sg_free(bytes);
    return sg_fail(err, SG_ERR_FORMAT, "\"%s_hex\" is no path in hex digits", key);
}

bool sg_json_path(char **path, const sg_json *object, const char *key, sg_error *err)
{
    sg_buf key_hex = SG_BUF_INIT;
    *path = NULL;
    sg_buf_printf(&key_hex, "%s_hex", key);
    if (!sg_buf_ok(&key_hex)) return sg_fail_memory(err, key);
    const sg_json *plain = sg_json_get(object, key), *hex = sg_json_get(object, key_hex.data);
    sg_buf_clear(&key_hex);
    if (hex) return path_of_hex(path, sg_json_string(hex), key, err);
    if (!plain || cJSON_IsNull(node(plain))) return true;
    const char *text = sg_json_string(plain);
    if (!text) return sg_fail(err, SG_ERR_FORMAT, "\"%s\" is no text", key);
    return (*path = sg_strdup(text)) ? true : sg_fail_memory(err, key);
}
