/* Packed attributes as an index keeps them; and, as lines, the pairs and conditions that users write. */
#include "fuzz.h"

#include <signet/attributes.h>
#include <signet/json.h>
#include <signet/mem.h>
#include <signet/where.h>
#include <string.h>

static void use(const char *data, size_t nbytes)
{
    const char *key, *value;
    sg_json *json = sg_json_object();
    for (size_t at = 0; sg_attributes_next(&key, &value, data, nbytes, &at);)
        SG_ASSERT(key[0] && sg_attributes_has(data, nbytes, key, value));
    sg_json_add_attributes(json, data, nbytes);
    sg_json_free(json);
}

void fuzz_attributes(const uint8_t *bytes, size_t nbytes)
{
    char *text = fuzz_text(bytes, nbytes), *rest = text;
    sg_attributes a = SG_ATTRIBUTES_INIT;
    sg_where where = SG_WHERE_INIT;
    if (!sg_attributes_fault((const char *)bytes, nbytes)) use((const char *)bytes, nbytes);
    for (char *line; (line = strsep(&rest, "\n"));) {
        sg_attributes_parse_add(&a, line, NULL);
        sg_where_parse_add(&where, line, NULL);
    }
    SG_ASSERT(!sg_attributes_fault(a.data, a.nbytes));
    use(a.data, a.nbytes);
    sg_where_holds(&where, a.data, a.nbytes);
    sg_where_clear(&where);
    sg_attributes_clear(&a);
    sg_free(text);
}
