#include "fuzz.h"

#include <signet/mem.h>
#include <signet/weights.h>

void fuzz_pth(const uint8_t *bytes, size_t nbytes)
{
    sg_weights *weights;
    char *path = fuzz_file("input", bytes, nbytes);
    if (sg_weights_open(&weights, path, NULL)) {
        for (size_t i = 0; i < sg_weights_count(weights); i++) {
            const sg_weight *w = sg_weights_at(weights, i);
            if (!w->floats || w->size > 1 << 20) continue; /* strides of 0 make large ones of few bytes */
            float *values = sg_alloc(w->size, sizeof *values);
            SG_ASSERT(values);
            sg_weights_read(values, weights, i, NULL);
            sg_free(values);
        }
        sg_weights_close(weights);
    }
    sg_free(path);
}
