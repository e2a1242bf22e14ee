#include "fuzz.h"

#include <math.h>
#include <signet/kv.h>
#include <signet/mem.h>

/* A number's shortest text reads back as the same number. */
void fuzz_number(const uint8_t *bytes, size_t nbytes)
{
    char *text = fuzz_text(bytes, nbytes), own[32];
    int64_t whole;
    double value, again;
    sg_parse_int(&whole, text);
    if (sg_parse_fraction(&value, text)) SG_ASSERT(isfinite(value));
    if (sg_parse_float(&value, text)) {
        SG_ASSERT(isfinite(value));
        sg_double_text(own, value);
        SG_ASSERT(sg_parse_float(&again, own) && again == value);
    }
    sg_free(text);
}
