#include "fuzz.h"

#include <signet/mem.h>
#include <signet/serve.h>
#include <string.h>

/* What a server takes, a client prints so that it is taken again. */
void fuzz_request(const uint8_t *bytes, size_t nbytes)
{
    sg_request request, again;
    char *line;
    sg_error err = {0};
    if (sg_request_parse(&request, (const char *)bytes, nbytes, &err)) {
        SG_ASSERT(sg_request_print(&line, &request, &err));
        SG_ASSERT(!strchr(line, '\n') && sg_request_parse(&again, line, strlen(line), &err));
        SG_ASSERT(again.id == request.id && again.k == request.k && again.radius == request.radius &&
                  again.bytes.size == request.bytes.size && again.tagged == request.tagged);
        sg_request_clear(&again);
        sg_free(line);
    }
    sg_request_clear(&request);
}
