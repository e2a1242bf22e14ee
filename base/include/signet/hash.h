/* Digests: BLAKE2b for identity (content, fingerprints), XXH3 for damage. The door to libb2 and libxxhash. */
#ifndef SIGNET_HASH_H
#define SIGNET_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_CONTENT_NBYTES     16
#define SG_FINGERPRINT_NBYTES 32

typedef struct sg_blake2b sg_blake2b; /* streaming; NULL on out of memory */
sg_blake2b *sg_blake2b_new(size_t digest_nbytes);
void sg_blake2b_update(sg_blake2b *state, const void *bytes, size_t nbytes);
void sg_blake2b_final(sg_blake2b *state, uint8_t *digest); /* frees */

void sg_blake2b_of(uint8_t *digest, size_t digest_nbytes, const void *bytes, size_t nbytes);
uint64_t sg_xxh3_64(const void *bytes, size_t nbytes);
void sg_xxh3_128(uint8_t digest[16], const void *bytes, size_t nbytes); /* canonical (big-endian) bytes */

/* Lower-case hex; out holds 2 * nbytes + 1. And back: false when it is not exactly 2 * nbytes hex digits. */
void sg_hex(char *out, const void *bytes, size_t nbytes);
bool sg_unhex(void *bytes, size_t nbytes, const char *hex);

#endif
