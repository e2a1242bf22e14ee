#include "fuzz.h"

#include <signet/json.h>
#include <signet/mem.h>
#include <string.h>

/* What was parsed is printed, and that is parsed and printed to the same text. */
void fuzz_json(const uint8_t *bytes, size_t nbytes)
{
    sg_json *json, *again;
    char *text, *same;
    sg_error err = {0};
    if (!sg_json_parse(&json, (const char *)bytes, nbytes, &err)) {
        SG_ASSERT(err.code != SG_OK && err.message[0]);
        return;
    }
    for (const sg_json *at = sg_json_at(json, 0); at; at = sg_json_next(at)) sg_json_string(at);
    SG_ASSERT(sg_json_print(&text, json, nbytes % 2, &err));
    SG_ASSERT(sg_json_parse(&again, text, strlen(text), &err));
    SG_ASSERT(sg_json_print(&same, again, nbytes % 2, &err));
    SG_ASSERT(strcmp(text, same) == 0);
    sg_free(text);
    sg_free(same);
    sg_json_free(json);
    sg_json_free(again);
}
