/* Attributes of an item: key=value pairs, of which a key may have several. Labels are those with the key "label".
 * Packed: key NUL value NUL ..., sorted by key and then value (bytes), none twice. A key has 1 to 255 bytes without
 * '=' and line feed, a value any bytes but NUL and line feed. */
#ifndef SIGNET_ATTRIBUTES_H
#define SIGNET_ATTRIBUTES_H

#include <signet/json.h>

#define SG_ATTRIBUTE_LABEL "label"

typedef struct sg_attributes {
    char *data; /* owned; NULL while empty */
    size_t nbytes;
} sg_attributes;

#define SG_ATTRIBUTES_INIT                                                                                   \
    {                                                                                                        \
        NULL, 0                                                                                              \
    }
void sg_attributes_clear(sg_attributes *a);

/* What is no key or no value: SG_ERR_USAGE. A pair that is there already is no fault. */
bool sg_attributes_add(sg_attributes *a, const char *key, const char *value, sg_error *err);
bool sg_attributes_parse_add(sg_attributes *a, const char *key_value /* "key=value" */, sg_error *err);
/* value NULL: all of the key. Dropping what is not there is no fault. */
void sg_attributes_drop(sg_attributes *a, const char *key, const char *value);
bool sg_attributes_set(sg_attributes *a, const char *data, size_t nbytes,
                       sg_error *err); /* copies packed ones */

/* Of packed ones that are sound. */
bool sg_attributes_has(const char *data, size_t nbytes, const char *key, const char *value /* NULL: any */);
/* The pair at *at (0 at first), which moves on; borrows. False at the end. */
bool sg_attributes_next(const char **key, const char **value, const char *data, size_t nbytes, size_t *at);
const char *sg_attributes_fault(const char *data, size_t nbytes); /* NULL: sound; else what is wrong */
/* "attributes": {"key": ["value", ...]}. When bytes are not UTF-8, "attributes_hex" has the packed form too. */
void sg_json_add_attributes(sg_json *parent, const char *data, size_t nbytes);

#endif
