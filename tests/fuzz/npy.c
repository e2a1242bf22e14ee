#include "fuzz.h"

#include <signet/npy.h>

void fuzz_npy(const uint8_t *bytes, size_t nbytes)
{
    static const size_t sizes[] = {[SG_NPY_U8] = 1, [SG_NPY_I64] = 8, [SG_NPY_F32] = 4};
    sg_npy npy;
    if (!sg_npy_parse(&npy, (const char *)bytes, nbytes, "input", NULL)) return;
    SG_ASSERT(npy.ndim == 2 || (npy.ndim == 1 && npy.cols == 1));
    const size_t all = npy.rows * npy.cols * sizes[npy.type];
    volatile uint8_t last = all > 0 ? ((const uint8_t *)npy.data)[all - 1] : 0;
    (void)last;
    sg_npy_clear(&npy);
}
