#include "datasets/gzip_impl.h"
#include "fuzz.h"

#include <signet/mem.h>

void fuzz_gzip(const uint8_t *bytes, size_t nbytes)
{
    const size_t most = 1 << 20;
    uint8_t *content;
    size_t n;
    char *path = fuzz_file("input.gz", bytes, nbytes);
    if (sg_gzip_read(&content, &n, path, most, NULL)) {
        SG_ASSERT(n <= most);
        sg_free(content);
    }
    sg_free(path);
}
