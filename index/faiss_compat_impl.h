/* What FAISS's C API lacks for binary indexes. Nothing thrown by FAISS leaves these functions. */
#ifndef SIGNET_FAISS_COMPAT_IMPL_H
#define SIGNET_FAISS_COMPAT_IMPL_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An index as FAISS's binary factory makes it from `description` ("BFlat"), a FaissIndexBinary that
 * faiss_IndexBinary_free frees. A flat one takes room for n codes at once. NULL, and the reason in `why` (size bytes),
 * on failure. */
void *sg_faiss_binary_new(size_t nbits, const char *description, size_t n, char *why, size_t size);

#ifdef __cplusplus
}
#endif

#endif
