/* An ordered list of key=value texts: metadata of model files, effective configurations. Keys are unique. */
#ifndef SIGNET_KV_H
#define SIGNET_KV_H

#include <signet/error.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sg_kv_pair {
    char *key, *value;
} sg_kv_pair;

typedef struct sg_kv {
    sg_kv_pair *pairs; /* sorted by key (bytes) */
    size_t n, cap;
} sg_kv;

#define SG_KV_INIT                                                                                           \
    {                                                                                                        \
        NULL, 0, 0                                                                                           \
    }

bool sg_kv_set(sg_kv *kv, const char *key, const char *value, sg_error *err); /* copies; replaces */
bool sg_kv_setf(sg_kv *kv, sg_error *err, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
const char *sg_kv_get(const sg_kv *kv, const char *key); /* NULL when absent; borrows */
void sg_kv_remove(sg_kv *kv, const char *key);
bool sg_kv_copy(sg_kv *to, const sg_kv *from, sg_error *err);
void sg_kv_clear(sg_kv *kv);

/* Whole-text numbers: false (SG_ERR_FORMAT naming key and text) on anything else. */
bool sg_kv_get_int(int64_t *value, const sg_kv *kv, const char *key, sg_error *err);
bool sg_kv_get_float(float *value, const sg_kv *kv, const char *key, sg_error *err);

/* The shortest decimal that reads back as the same float ("%.9g" at most); locale-free. */
void sg_float_text(char out[32], float value);
void sg_double_text(char out[32], double value); /* the same for a double: 17 digits at most */
/* Number parsers for options and files: the whole text, finite, decimal, nothing else; locale-free. "8/255"
 * is a fraction: 8.0 / 255.0, which narrows to 8.0f / 255.0f. */
bool sg_parse_int(int64_t *value, const char *text);
bool sg_parse_float(double *value, const char *text);
bool sg_parse_fraction(double *value, const char *text);

#endif
