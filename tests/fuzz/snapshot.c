/* A search kind's snapshot, with a right checksum: whatever else is in it, searching by it does no harm. */
#include "fuzz.h"
#include "index/bytes_impl.h"

#include <signet/cpu.h>
#include <signet/hash.h>
#include <signet/mem.h>
#include <signet/snapshot.h>
#include <string.h>

#define FINGERPRINT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

enum { N = 48, GENERATION = 3, SUM_NBYTES = 8 };

static void put_snapshot(const char *kind, const uint8_t *bytes, size_t nbytes)
{
    char name[32];
    uint8_t *sealed = sg_memdup(bytes, nbytes);
    SG_ASSERT(sealed);
    if (nbytes >= SUM_NBYTES) sg_put_u64(sealed, sg_xxh3_64(sealed + SUM_NBYTES, nbytes - SUM_NBYTES));
    snprintf(name, sizeof name, "search.%s", kind);
    sg_free(fuzz_file(name, sealed, nbytes));
    sg_free(sealed);
}

static void search(const char *kind, const uint8_t *bytes, size_t nbytes)
{
    uint8_t *codes;
    uint64_t *ids;
    sg_search *search;
    sg_search_result result;
    sg_threads_set(1); /* FAISS's would wait for each other, for nothing */
    put_snapshot(kind, bytes, nbytes);
    SG_ASSERT(sg_search_begin(&search, kind, NULL, 64, N, &codes, &ids, NULL));
    for (size_t i = 0; i < N; i++) {
        ids[i] = i + 1;
        for (size_t b = 0; b < 8; b++) codes[8 * i + b] = (uint8_t)(i / 4 * 37 + b * b * 11 + i % 2);
    }
    if (sg_snapshot_build(NULL, search, fuzz_folder(), FINGERPRINT, GENERATION, NULL)) {
        static const sg_search_ask asks[] = {{.k = 5, .radius = -1}, {.k = 0, .radius = 3}};
        for (int i = 0; i < 2; i++) {
            SG_ASSERT(sg_search_run(&result, search, codes, 1, &asks[i], NULL));
            sg_search_result_clear(&result);
        }
    }
    sg_search_free(search);
}

void fuzz_snapshot_ivf(const uint8_t *bytes, size_t nbytes)
{
    search("ivf", bytes, nbytes);
}

void fuzz_snapshot_mih(const uint8_t *bytes, size_t nbytes)
{
    search("mih", bytes, nbytes);
}
