/* What FAISS's C API lacks for binary indexes. Nothing thrown by FAISS leaves these functions. */
#ifndef SIGNET_FAISS_COMPAT_IMPL_H
#define SIGNET_FAISS_COMPAT_IMPL_H

#include <stdbool.h>
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

/* A binary IVF of nlists lists, of which FAISS's own search looks through nprobes, over a flat quantizer with these
 * centroids (nlists, nbits / 8); NULL: to be trained,
 * which fails when it is interrupted. */
void *sg_faiss_ivf_new(size_t nbits, size_t nlists, size_t nprobes, const uint8_t *centroids, char *why,
                       size_t size);
/* Adds codes (n, nbits / 8) under numbers (n) to lists (n) of it. */
bool sg_faiss_ivf_add(void *ivf, size_t n, const uint8_t *codes, const int64_t *numbers, const int64_t *lists,
                      char *why, size_t size);
/* Gives back the room that its lists have grown by and do not use. */
void sg_faiss_ivf_trim(void *ivf);
/* Borrowed until it is changed or freed. */
const uint8_t *sg_faiss_ivf_centroids(const void *ivf);
size_t sg_faiss_ivf_list(const void *ivf, size_t list, const uint8_t **codes, const int64_t **numbers);

#ifdef __cplusplus
}
#endif

#endif
