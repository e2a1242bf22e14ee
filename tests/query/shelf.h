/* For tests of what looks at codes and records alone: a store without an encoder. */
#ifndef SIGNET_TESTS_SHELF_H
#define SIGNET_TESTS_SHELF_H

#include "base/scratch.h"

#include <signet/random.h>
#include <signet/store.h>

/* "idx", empty, open for writing. */
static inline sg_store *shelf_make(size_t nbits)
{
    sg_error err = {0};
    sg_store *store;
    sg_kv recipe = SG_KV_INIT;
    char fingerprint[65];
    memset(fingerprint, 'a', 64);
    fingerprint[64] = 0;
    if (!sg_store_create("idx", nbits, fingerprint, &recipe, "flat", NULL, false, NULL, NULL, &err) ||
        !sg_store_open(&store, "idx", true, 0, &err))
        fail_msg("%s", err.message);
    return store;
}

/* Within a batch. content: any number that tells contents apart. */
static inline uint64_t shelf_put(sg_store *store, const char *path, const uint8_t *code, unsigned content,
                                 const char *attributes, size_t attributes_nbytes)
{
    sg_error err = {0};
    sg_put_kind kind;
    uint64_t id, other;
    sg_item item = {
        .path = path, .code = code, .attributes = attributes, .attributes_nbytes = attributes_nbytes};
    memcpy(item.content, &content, sizeof content);
    if (!sg_store_put(&kind, &id, &other, store, &item, &err)) fail_msg("%s", err.message);
    return id;
}

static inline unsigned naive_distance(const uint8_t *a, const uint8_t *b, size_t nbytes)
{
    unsigned distance = 0;
    for (size_t k = 0; k < 8 * nbytes; k++) distance += (a[k / 8] ^ b[k / 8]) >> k % 8 & 1;
    return distance;
}

static inline void draw_codes(uint8_t *codes, size_t n, size_t nbytes, uint64_t seed)
{
    sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 0, 0);
    for (size_t i = 0; i < n * nbytes; i++) codes[i] = (uint8_t)sg_rng_below(&rng, 256);
}

#endif
