#include "encoder/safetensors_impl.h"
#include "fuzz.h"

#include <signet/mem.h>
#include <string.h>

void fuzz_safetensors(const uint8_t *bytes, size_t nbytes)
{
    sg_safetensors st;
    char *path = fuzz_file("input", bytes, nbytes);
    if (sg_safetensors_open(&st, path, NULL)) {
        for (size_t i = 0; i < st.ntensors; i++) {
            const sg_st_tensor *tensor = &st.tensors[i];
            SG_ASSERT(sg_safetensors_find(&st, tensor->name) == tensor);
            SG_ASSERT(tensor->begin <= st.data_nbytes && tensor->nbytes <= st.data_nbytes - tensor->begin);
            float *values = sg_alloc(tensor->nbytes, sizeof *values); /* a byte a number at least */
            SG_ASSERT(values);
            sg_safetensors_floats(values, &st, tensor, NULL);
            sg_free(values);
        }
        sg_safetensors_close(&st);
    }
    sg_free(path);
}
