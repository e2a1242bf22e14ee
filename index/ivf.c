/* The lists of ivf: which codes are distinct, FAISS's k-means over them, each in the list of its nearest centroid. */
#include "ivf_impl.h"

#include "bytes_impl.h"
#include "faiss_compat_impl.h"
#include <faiss/c_api/IndexBinary_c.h>
#include <faiss/c_api/error_c.h>
#include <math.h>
#include <signet/hash.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>

#define TRAIN_ALL      1000 /* distinct codes: with fewer, all of them are trained on */
#define TRAIN_PER_LIST 64   /* otherwise so many a list */
#define BLOCK          16384

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- distinct codes ----------------------------------------------------------------------------------------- */

/* of[i]: the number of position i's code, in the order in which they are first met. */
static bool number_codes(uint32_t *of, size_t *ndistinct, const sg_search_rows *codes, sg_error *err)
{
    const size_t nbytes = codes->nbits / 8;
    size_t nslots = 16;
    while (nslots < codes->n + codes->n / 2) nslots *= 2;
    uint32_t *slots = sg_alloc(nslots, sizeof *slots); /* the first position of a code, or UINT32_MAX */
    if (!slots) return sg_fail_memory(err, "distinct codes");
    memset(slots, 0xff, nslots * sizeof *slots);
    *ndistinct = 0;
    for (size_t i = 0; i < codes->n; i++) {
        const uint8_t *code = codes->codes + i * nbytes;
        size_t at = sg_xxh3_64(code, nbytes) & (nslots - 1);
        while (slots[at] != UINT32_MAX && memcmp(codes->codes + slots[at] * nbytes, code, nbytes) != 0)
            at = (at + 1) & (nslots - 1);
        if (slots[at] == UINT32_MAX) {
            slots[at] = (uint32_t)i;
            of[i] = (uint32_t)(*ndistinct)++;
        } else
            of[i] = of[slots[at]];
    }
    sg_free(slots);
    return true;
}

/* starts and positions, by counting. */
static bool gather_positions(sg_ivf *ivf, const sg_search_rows *codes, sg_error *err)
{
    uint32_t *of = sg_alloc(codes->n, sizeof *of), sum = 0;
    bool ok = of ? number_codes(of, &ivf->ndistinct, codes, err) : sg_fail_memory(err, "distinct codes");
    if (ok) {
        ivf->starts = sg_calloc(ivf->ndistinct + 1, sizeof *ivf->starts);
        ivf->positions = sg_alloc(codes->n, sizeof *ivf->positions);
        ok = ivf->starts && ivf->positions ? true : sg_fail_memory(err, "distinct codes");
    }
    if (ok) {
        uint32_t *ends = ivf->starts + 1;
        for (size_t i = 0; i < codes->n; i++) ends[of[i]]++;
        for (size_t d = 0; d < ivf->ndistinct; d++) {
            const uint32_t count = ends[d];
            ends[d] = sum;
            sum += count;
        }
        for (size_t i = 0; i < codes->n; i++) ivf->positions[ends[of[i]]++] = (uint32_t)i;
    }
    sg_free(of);
    return ok;
}

static const uint8_t *distinct_code(const sg_ivf *ivf, const sg_search_rows *codes, size_t d)
{
    return codes->codes + ivf->positions[ivf->starts[d]] * (codes->nbits / 8);
}

/* --- lists -------------------------------------------------------------------------------------------------- */

static bool train(const sg_ivf *ivf, const sg_search_rows *codes, sg_error *err)
{
    const size_t nbytes = codes->nbits / 8, n = ivf->ndistinct < TRAIN_ALL
                                                    ? ivf->ndistinct
                                                    : least(ivf->ndistinct, ivf->lists * TRAIN_PER_LIST);
    uint8_t *sample = sg_alloc(n, nbytes);
    if (!sample) return sg_fail_memory(err, "training codes");
    for (size_t i = 0; i < n; i++)
        memcpy(sample + i * nbytes, distinct_code(ivf, codes, i * ivf->ndistinct / n), nbytes);
    bool ok = faiss_IndexBinary_train(ivf->index, (idx_t)n, sample) == 0;
    if (!ok && sg_interrupt_check(err))
        sg_fail(err, SG_ERR_MEMORY, "FAISS: cannot train an IVF: %s", faiss_get_last_error());
    sg_free(sample);
    return ok;
}

/* list (n): that of each code's nearest centroid, the first of equals. */
static bool assign(int64_t *list, const sg_ivf *ivf, const uint8_t *codes, size_t n, size_t nbytes,
                   sg_error *err)
{
    const uint8_t *centroids = sg_faiss_ivf_centroids(ivf->index);
    bool failed = false;
#pragma omp parallel reduction(|| : failed)
    {
        uint16_t *distances = sg_alloc(ivf->lists, sizeof *distances);
        failed = !distances;
#pragma omp for schedule(static)
        for (size_t i = 0; i < n; i++) {
            if (failed) continue;
            uint16_t nearest = UINT16_MAX;
            int64_t first = 0;
            sg_hamming_scan(distances, codes + i * nbytes, centroids, ivf->lists, nbytes);
            for (size_t c = 0; c < ivf->lists; c++) nearest = distances[c] < nearest ? distances[c] : nearest;
            while (distances[first] != nearest) first++;
            list[i] = first;
        }
        sg_free(distances);
    }
    return failed ? sg_fail_memory(err, "lists") : true;
}

/* Puts the distinct codes into their lists, which are those given, or their nearest centroids'. */
static bool add(sg_ivf *ivf, const sg_search_rows *codes, const uint32_t *given, sg_error *err)
{
    const size_t nbytes = codes->nbits / 8, room = least(BLOCK, ivf->ndistinct);
    char why[256] = "";
    uint8_t *block = sg_alloc(room, nbytes);
    int64_t *numbers = sg_alloc(room, sizeof *numbers), *lists = sg_alloc(room, sizeof *lists);
    bool ok = block && numbers && lists ? true : sg_fail_memory(err, "lists");
    for (size_t d = 0; ok && d < ivf->ndistinct; d += room) {
        const size_t n = least(room, ivf->ndistinct - d);
        for (size_t i = 0; i < n; i++) {
            memcpy(block + i * nbytes, distinct_code(ivf, codes, d + i), nbytes);
            numbers[i] = (int64_t)(d + i);
            if (given) lists[i] = given[d + i];
        }
        ok = sg_interrupt_check(err) && (given || assign(lists, ivf, block, n, nbytes, err));
        if (ok && !sg_faiss_ivf_add(ivf->index, n, block, numbers, lists, why, sizeof why))
            ok = sg_fail(err, SG_ERR_MEMORY, "FAISS: cannot fill an IVF: %s", why);
    }
    if (ok) sg_faiss_ivf_trim(ivf->index);
    sg_free(block);
    sg_free(numbers);
    sg_free(lists);
    return ok;
}

static bool make_index(sg_ivf *ivf, size_t nbits, const uint8_t *centroids, sg_error *err)
{
    char why[256] = "";
    ivf->index = sg_faiss_ivf_new(nbits, ivf->lists, ivf->probes, centroids, why, sizeof why);
    return ivf->index ? true : sg_fail(err, SG_ERR_MEMORY, "FAISS: cannot make an IVF: %s", why);
}

/* So many that looking for the nearest centroids and looking through the lists take about as long. */
size_t sg_ivf_usual_lists(size_t ndistinct)
{
    return least((size_t)lround(sqrt((double)ndistinct)), SG_IVF_LISTS_MAX);
}

/* As many as bench/bench_kinds found to give nineteen of twenty. */
size_t sg_ivf_usual_probes(size_t lists)
{
    return least(lists / 16 + 8, lists);
}

bool sg_ivf_new(sg_ivf **result, const sg_search_rows *codes, size_t lists, size_t probes, sg_error *err)
{
    *result = NULL;
    if (codes->n >= UINT32_MAX)
        return sg_fail(err, SG_ERR_LIMIT, "ivf: at most %u codes, not %zu", UINT32_MAX - 1, codes->n);
    sg_ivf *ivf = sg_calloc(1, sizeof *ivf);
    if (!ivf) return sg_fail_memory(err, "lists");
    bool ok = gather_positions(ivf, codes, err);
    if (ok && codes->n > 0) {
        ivf->lists = least(lists ? lists : sg_ivf_usual_lists(ivf->ndistinct), ivf->ndistinct);
        ivf->probes = least(probes ? probes : sg_ivf_usual_probes(ivf->lists), ivf->lists);
        ok = make_index(ivf, codes->nbits, NULL, err) && train(ivf, codes, err) && add(ivf, codes, NULL, err);
    }
    if (ok)
        *result = ivf;
    else
        sg_ivf_free(ivf);
    return ok;
}

void sg_ivf_free(sg_ivf *ivf)
{
    if (!ivf) return;
    sg_faiss_binary_free(ivf->index);
    sg_free(ivf->starts);
    sg_free(ivf->positions);
    sg_free(ivf);
}

/* --- as bytes: four numbers, centroids, list of each distinct code, starts, positions ----------------------- */

#define HEAD_NBYTES 16

bool sg_ivf_save(const sg_ivf *ivf, size_t nbytes, sg_buf *bytes, sg_error *err)
{
    const uint32_t n = ivf->starts[ivf->ndistinct],
                   head[] = {(uint32_t)ivf->lists, (uint32_t)ivf->probes, (uint32_t)ivf->ndistinct, n};
    uint32_t *list = sg_alloc(ivf->ndistinct, sizeof *list);
    if (!list) return sg_fail_memory(err, "lists");
    for (size_t l = 0; l < ivf->lists; l++) {
        const uint8_t *codes;
        const int64_t *numbers;
        const size_t size = sg_faiss_ivf_list(ivf->index, l, &codes, &numbers);
        for (size_t i = 0; i < size; i++) list[numbers[i]] = (uint32_t)l;
    }
    sg_put_u32s(bytes, head, HEAD_NBYTES / 4);
    sg_buf_put(bytes, sg_faiss_ivf_centroids(ivf->index), ivf->lists * nbytes);
    sg_put_u32s(bytes, list, ivf->ndistinct);
    sg_put_u32s(bytes, ivf->starts, ivf->ndistinct + 1);
    sg_put_u32s(bytes, ivf->positions, n);
    sg_free(list);
    return true;
}

/* The saved arrays, as they lie in the file. */
typedef struct saved {
    size_t ndistinct, n;
    const uint8_t *centroids, *lists, *starts, *positions;
} saved;

static bool find_arrays(saved *s, sg_ivf *ivf, size_t n, size_t code_nbytes, const uint8_t *bytes,
                        size_t nbytes)
{
    if (nbytes < HEAD_NBYTES) return false;
    ivf->lists = sg_get_u32(bytes);
    ivf->probes = sg_get_u32(bytes + 4);
    s->ndistinct = sg_get_u32(bytes + 8);
    s->n = sg_get_u32(bytes + 12);
    if (ivf->lists < 1 || ivf->lists > SG_IVF_LISTS_MAX || ivf->probes < 1 || ivf->probes > ivf->lists)
        return false;
    if (s->n != n || s->ndistinct > n || s->ndistinct < ivf->lists) return false;
    s->centroids = bytes + HEAD_NBYTES;
    s->lists = s->centroids + ivf->lists * code_nbytes;
    s->starts = s->lists + 4 * s->ndistinct;
    s->positions = s->starts + 4 * (s->ndistinct + 1);
    return nbytes == HEAD_NBYTES + ivf->lists * code_nbytes + 4 * (2 * s->ndistinct + 1 + n);
}

/* The positions of one code, moved to where they are now. *kept: how many have been taken so far. */
static bool read_positions(sg_ivf *ivf, size_t *kept, const sg_search_rows *codes,
                           const sg_search_moves *moves, const uint8_t *positions, size_t n)
{
    const size_t nbytes = codes->nbits / 8, first = *kept;
    uint64_t last = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t position = sg_get_u32(positions + 4 * i);
        if (position < last || position >= moves->n) return false;
        last = (uint64_t)position + 1;
        const uint32_t now = sg_search_moved(moves, position);
        if (now == SG_SEARCH_GONE) continue;
        if (*kept == codes->n) return false;
        ivf->positions[(*kept)++] = now;
        if (memcmp(codes->codes + ivf->positions[first] * nbytes, codes->codes + now * nbytes, nbytes) != 0)
            return false;
    }
    return true;
}

/* Distinct codes of which something is left, and their lists. */
static bool read_arrays(sg_ivf *ivf, uint32_t *lists, const saved *s, const sg_search_rows *codes,
                        const sg_search_moves *moves)
{
    size_t from = 0, kept = 0;
    if (sg_get_u32(s->starts) != 0) return false;
    for (size_t d = 0; d < s->ndistinct; d++) {
        const size_t end = sg_get_u32(s->starts + 4 * (d + 1)), before = kept;
        const uint32_t list = sg_get_u32(s->lists + 4 * d);
        if (end < from || end > s->n || list >= ivf->lists) return false;
        if (!read_positions(ivf, &kept, codes, moves, s->positions + 4 * from, end - from)) return false;
        from = end;
        if (kept == before) continue;
        lists[ivf->ndistinct++] = list;
        ivf->starts[ivf->ndistinct] = (uint32_t)kept;
    }
    return from == s->n && kept == codes->n;
}

bool sg_ivf_load(sg_ivf **result, const sg_search_rows *codes, const sg_search_moves *moves,
                 const uint8_t *bytes, size_t nbytes, sg_error *err)
{
    saved s;
    uint32_t *lists = NULL;
    *result = NULL;
    sg_ivf *ivf = sg_calloc(1, sizeof *ivf);
    if (!ivf) return sg_fail_memory(err, "lists");
    bool sound = find_arrays(&s, ivf, moves->n, codes->nbits / 8, bytes, nbytes), ok = sound;
    if (ok) {
        lists = sg_alloc(s.ndistinct, sizeof *lists);
        ivf->starts = sg_calloc(s.ndistinct + 1, sizeof *ivf->starts);
        ivf->positions = sg_alloc(codes->n, sizeof *ivf->positions);
        ok = lists && ivf->starts && ivf->positions ? true : sg_fail_memory(err, "lists");
    }
    if (ok) ok = sound = read_arrays(ivf, lists, &s, codes, moves);
    if (ok) ok = make_index(ivf, codes->nbits, s.centroids, err) && add(ivf, codes, lists, err);
    sg_free(lists);
    if (ok) {
        *result = ivf;
        return true;
    }
    sg_ivf_free(ivf);
    return sound ? false : sg_fail(err, SG_ERR_FORMAT, "ivf: not what its codes ask for");
}
