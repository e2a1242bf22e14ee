/* What FAISS's C API lacks for binary indexes. Nothing thrown by FAISS leaves these functions. */
#ifndef SIGNET_FAISS_COMPAT_IMPL_H
#define SIGNET_FAISS_COMPAT_IMPL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An index as FAISS's binary factory makes it from `description` ("BFlat"), a FaissIndexBinary. NULL, and the reason in
 * `why` (size bytes), on failure. */
void *sg_faiss_binary_new(size_t nbits, const char *description, char *why, size_t size);
/* A binary flat index of n codes, which are zero until the caller fills *codes (n, nbits / 8) in place. */
void *sg_faiss_flat_new(size_t nbits, size_t n, uint8_t **codes, char *why, size_t size);
void sg_faiss_binary_free(void *index); /* NULL is allowed */

#ifdef __cplusplus
}
#endif

#endif
