#include "fuzz.h"

#include <signet/query.h>
#include <stdlib.h>

/* What a client takes from a server can be shown. */
void fuzz_answer(const uint8_t *bytes, size_t nbytes)
{
    sg_answer answer;
    sg_error err = {0};
    if (!sg_answer_parse(&answer, (const char *)bytes, nbytes, &err)) return;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    SG_ASSERT(out && sg_answer_json(out, &answer, &err) && sg_answer_text(out, &answer, nbytes % 2, &err));
    fclose(out);
    free(text);
    sg_answer_clear(&answer);
}
