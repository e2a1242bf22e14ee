/* JSON: the door to cJSON. A value is a tree; adding gives it to its parent. Failure while building is sticky
 * on the root's print: builders need not check each call. The functions that read are for parsed trees. */
#ifndef SIGNET_JSON_H
#define SIGNET_JSON_H

#include <signet/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sg_json sg_json;

sg_json *sg_json_object(void);
sg_json *sg_json_array(void);
void sg_json_free(sg_json *json);

/* key NULL: append to an array. */
void sg_json_add(sg_json *parent, const char *key, sg_json *child); /* takes child */
sg_json *sg_json_add_object(sg_json *parent, const char *key);      /* borrowed */
sg_json *sg_json_add_array(sg_json *parent, const char *key);
void sg_json_add_string(sg_json *parent, const char *key,
                        const char *text); /* NULL: null; bytes that are not UTF-8: U+FFFD */
void sg_json_add_number(sg_json *parent, const char *key,
                        double value); /* reads back the same; not finite: null */
void sg_json_add_int(sg_json *parent, const char *key, int64_t value); /* exact at all 64 bits */
void sg_json_add_bool(sg_json *parent, const char *key, bool value);
/* A path: `key`: with bytes that are not UTF-8 replaced by U+FFFD, and then "key_hex" with the exact bytes.
 */
void sg_json_add_path(sg_json *parent, const char *key, const char *path);

/* Text without line breaks (or indented with `pretty`); the caller's (sg_free). */
bool sg_json_print(char **text, const sg_json *json, bool pretty, sg_error *err);

/* Parses exactly one value of nbytes, strictly (RFC 8259; UTF-8; no zero characters; at most 128 levels).
 * SG_ERR_FORMAT tells the byte. */
bool sg_json_parse(sg_json **json, const char *text, size_t nbytes, sg_error *err);
const sg_json *sg_json_get(const sg_json *object, const char *key); /* the first; NULL when absent */
const sg_json *sg_json_at(const sg_json *array, size_t i);
const sg_json *
sg_json_next(const sg_json *value); /* the one behind it in its array or object; NULL at the end */
const char *sg_json_name(const sg_json *value); /* its key in an object; NULL in an array */
bool sg_json_is_array(const sg_json *json);
size_t sg_json_size(const sg_json *array_or_object);
const char *sg_json_key(const sg_json *object, size_t i); /* i-th key of an object */
const char *sg_json_string(const sg_json *json);          /* NULL when it is no string */
bool sg_json_number(double *value, const sg_json *json);  /* false when it is no number */
bool sg_json_int(int64_t *value, const sg_json *json);    /* false unless a whole number in +-2^53 */
bool sg_json_bool(bool *value, const sg_json *json);
/* The bytes that sg_json_add_path gave, from "key_hex" where it is there, else from "key"; the caller's (sg_free). NULL when
 * neither is there, or it is null. SG_ERR_FORMAT for any other value. */
bool sg_json_path(char **path, const sg_json *object, const char *key, sg_error *err);

#endif
