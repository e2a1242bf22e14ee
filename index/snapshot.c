/* search.KIND files: written, checked, and brought up to date by the ids, which ascend and are never given again. */
#include "search_impl.h"

#include "bytes_impl.h"
#include <errno.h>
#include <signet/file.h>
#include <signet/hash.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <signet/snapshot.h>
#include <string.h>
#include <unistd.h>

#define VERSION      1
#define MAGIC        "signet search  " /* and its NUL: 16 bytes */
#define CHANGED_PART 5                 /* with more than one in so many gone and new, it is built anew */

enum { MAGIC_NBYTES = 16, KIND_NBYTES = 16, FINGERPRINT_NBYTES = 64, RUN_NBYTES = 16, MARK_NBYTES = 2 };

/* Where things are; docs/formats.md has them as a table. */
enum {
    AT_SUM = 0,
    AT_MAGIC = 8,
    AT_VERSION = 24,
    AT_NBITS = 28,
    AT_KIND = 32,
    AT_FINGERPRINT = 48,
    AT_GENERATION = 112,
    AT_N = 120,
    AT_NRUNS = 128,
    AT_PARAMS_NBYTES = 136,
    AT_STATE_NBYTES = 144,
    HEAD_NBYTES = 152
};

/* What a snapshot must agree with. */
typedef struct stamp {
    const char *fingerprint;
    uint64_t generation;
} stamp;

static char *path_of(const char *folder, const char *kind)
{
    sg_buf path = SG_BUF_INIT;
    sg_buf_printf(&path, "%s/search.%s", folder, kind);
    if (sg_buf_ok(&path)) return path.data;
    sg_buf_clear(&path);
    return NULL;
}

/* A few bits of each code, so that a snapshot of another store's codes is seen. */
static uint16_t mark_of(const sg_search_rows *codes, size_t position)
{
    const size_t nbytes = codes->nbits / 8;
    return (uint16_t)sg_xxh3_64(codes->codes + position * nbytes, nbytes);
}

/* --- writing ------------------------------------------------------------------------------------------------ */

static void put_u64(sg_buf *bytes, uint64_t value)
{
    uint8_t number[8];
    sg_put_u64(number, value);
    sg_buf_put(bytes, number, sizeof number);
}

static void put_params(sg_buf *bytes, const sg_kv *params)
{
    for (size_t i = 0; i < params->n; i++) {
        sg_buf_put(bytes, params->pairs[i].key, strlen(params->pairs[i].key) + 1);
        sg_buf_put(bytes, params->pairs[i].value, strlen(params->pairs[i].value) + 1);
    }
}

/* The ids as runs of such as follow each other: (first, how many). */
static size_t put_runs(sg_buf *bytes, const uint64_t *ids, size_t n)
{
    size_t nruns = 0;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && ids[end] == ids[end - 1] + 1;) end++;
        put_u64(bytes, ids[i]);
        put_u64(bytes, end - i);
        nruns++;
    }
    return nruns;
}

static void put_marks(sg_buf *bytes, const sg_search_rows *codes)
{
    uint8_t marks[MARK_NBYTES * 1024];
    size_t n = 0;
    for (size_t i = 0; i < codes->n; i++) {
        const uint16_t value = mark_of(codes, i);
        marks[n++] = (uint8_t)value;
        marks[n++] = (uint8_t)(value >> 8);
        if (n < sizeof marks && i + 1 < codes->n) continue;
        sg_buf_put(bytes, marks, n);
        n = 0;
    }
}

static bool make(sg_buf *bytes, const sg_search *search, const stamp *now, sg_error *err)
{
    uint8_t head[HEAD_NBYTES] = {0};
    memcpy(head + AT_MAGIC, MAGIC, MAGIC_NBYTES);
    sg_put_u32(head + AT_VERSION, VERSION);
    sg_put_u32(head + AT_NBITS, (uint32_t)search->codes.nbits);
    memcpy(head + AT_KIND, search->kind->name, strlen(search->kind->name));
    memcpy(head + AT_FINGERPRINT, now->fingerprint, strlen(now->fingerprint));
    sg_put_u64(head + AT_GENERATION, now->generation);
    sg_put_u64(head + AT_N, search->codes.n);
    sg_buf_put(bytes, head, HEAD_NBYTES);
    put_params(bytes, &search->params);
    const size_t params_nbytes = bytes->size - HEAD_NBYTES;
    const size_t nruns = put_runs(bytes, search->ids, search->codes.n);
    put_marks(bytes, &search->codes);
    const size_t before = bytes->size;
    if (!search->kind->save(search->state, &search->codes, bytes, err)) return false;
    if (!sg_buf_ok(bytes)) return sg_fail_memory(err, "snapshot");
    uint8_t *at = (uint8_t *)bytes->data;
    sg_put_u64(at + AT_NRUNS, nruns);
    sg_put_u64(at + AT_PARAMS_NBYTES, params_nbytes);
    sg_put_u64(at + AT_STATE_NBYTES, bytes->size - before);
    sg_put_u64(at + AT_SUM, sg_xxh3_64(at + AT_MAGIC, bytes->size - AT_MAGIC));
    return true;
}

/* For the next who opens the index; who cannot write here has lost nothing. */
static void leave(const char *folder, const char *path, const sg_search *search, const stamp *now)
{
    sg_buf bytes = SG_BUF_INIT;
    if (access(folder, W_OK) == 0 && make(&bytes, search, now, NULL)) {
        sg_out_sweep(folder);
        sg_file_write(path, bytes.data, bytes.size, NULL);
    }
    sg_buf_clear(&bytes);
}

/* --- reading ------------------------------------------------------------------------------------------------ */

typedef struct snapshot {
    uint64_t generation;
    size_t n, nruns, state_nbytes;
    const uint8_t *runs, *marks, *state;
} snapshot;

static bool same_params(const uint8_t *bytes, size_t nbytes, const sg_kv *params)
{
    sg_buf own = SG_BUF_INIT;
    put_params(&own, params);
    const bool same =
        sg_buf_ok(&own) && own.size == nbytes && (nbytes == 0 || memcmp(own.data, bytes, nbytes) == 0);
    sg_buf_clear(&own);
    return same;
}

/* Is the head what the search asks for, and the file as long as it says? */
static bool parse(snapshot *s, const uint8_t *bytes, size_t nbytes, const sg_search *search, const stamp *now)
{
    char kind[KIND_NBYTES] = {0}, fingerprint[FINGERPRINT_NBYTES] = {0};
    if (nbytes < HEAD_NBYTES || memcmp(bytes + AT_MAGIC, MAGIC, MAGIC_NBYTES) != 0) return false;
    memcpy(kind, search->kind->name, strlen(search->kind->name));
    memcpy(fingerprint, now->fingerprint, strlen(now->fingerprint));
    if (sg_get_u32(bytes + AT_VERSION) != VERSION || sg_get_u32(bytes + AT_NBITS) != search->codes.nbits ||
        memcmp(bytes + AT_KIND, kind, sizeof kind) != 0 ||
        memcmp(bytes + AT_FINGERPRINT, fingerprint, sizeof fingerprint) != 0)
        return false;
    s->generation = sg_get_u64(bytes + AT_GENERATION);
    s->n = sg_get_u64(bytes + AT_N);
    s->nruns = sg_get_u64(bytes + AT_NRUNS);
    s->state_nbytes = sg_get_u64(bytes + AT_STATE_NBYTES);
    const uint64_t params_nbytes = sg_get_u64(bytes + AT_PARAMS_NBYTES), rest = nbytes - HEAD_NBYTES;
    if (params_nbytes > rest || s->nruns > rest / RUN_NBYTES || s->n > rest / MARK_NBYTES ||
        s->state_nbytes > rest ||
        params_nbytes + s->nruns * RUN_NBYTES + s->n * MARK_NBYTES + s->state_nbytes != rest)
        return false;
    s->runs = bytes + HEAD_NBYTES + params_nbytes;
    s->marks = s->runs + s->nruns * RUN_NBYTES;
    s->state = s->marks + s->n * MARK_NBYTES;
    return s->generation <= now->generation && s->n < SG_SEARCH_GONE &&
           same_params(bytes + HEAD_NBYTES, params_nbytes, &search->params) &&
           sg_get_u64(bytes + AT_SUM) == sg_xxh3_64(bytes + AT_MAGIC, nbytes - AT_MAGIC);
}

/* to (n): where each of its codes is now. *alive: how many are still there; they are the first of the search. False:
 * these are not its ids, or not its codes. */
static bool follow(uint32_t *to, size_t *alive, const snapshot *s, const sg_search *search)
{
    const uint64_t *ids = search->ids;
    size_t n = 0, now = 0;
    uint64_t next = 0;
    for (size_t r = 0; r < s->nruns; r++) {
        const uint64_t first = sg_get_u64(s->runs + RUN_NBYTES * r),
                       count = sg_get_u64(s->runs + RUN_NBYTES * r + 8);
        if (first < next || count == 0 || count > s->n - n || count > UINT64_MAX - first) return false;
        next = first + count;
        for (uint64_t id = first; id < next; id++, n++) {
            to[n] = SG_SEARCH_GONE;
            if (now == search->codes.n || ids[now] != id) continue;
            const uint8_t *mark = s->marks + MARK_NBYTES * n;
            if (mark_of(&search->codes, now) != (mark[0] | mark[1] << 8)) return false;
            to[n] = (uint32_t)now++;
        }
    }
    *alive = now;
    /* An id that is missing in between would be one given twice. */
    return n == s->n && (now == search->codes.n || ids[now] >= next);
}

/* False: it is of no use. */
static bool use_it(sg_search *search, const snapshot *s, const stamp *now)
{
    size_t alive = 0;
    uint32_t *to = sg_alloc(s->n, sizeof *to);
    bool ok = to && follow(to, &alive, s, search);
    const size_t changed = ok ? s->n - alive + search->codes.n - alive : 0;
    if (ok)
        ok = alive > 0 && changed <= s->n / CHANGED_PART && (changed == 0 || s->generation < now->generation);
    if (ok) {
        const sg_search_rows known = {search->codes.nbits, alive, search->codes.codes};
        const sg_search_moves moves = {s->n, changed > 0 ? to : NULL}; /* to look them up takes long */
        ok = search->kind->load(&search->state, &known, &moves, s->state, s->state_nbytes, NULL);
    }
    if (ok) {
        search->known = alive;
        search->built = true;
    }
    sg_free(to);
    return ok;
}

static bool try(sg_search *search, const char *path, const stamp *now, sg_snapshot_use *use)
{
    snapshot s;
    char *bytes;
    size_t nbytes;
    if (!sg_file_read(&bytes, &nbytes, path, SIZE_MAX / 2, NULL)) return false;
    const bool ok = parse(&s, (const uint8_t *)bytes, nbytes, search, now) && use_it(search, &s, now);
    if (ok)
        *use = s.n == search->codes.n && search->known == s.n ? SG_SNAPSHOT_CURRENT : SG_SNAPSHOT_REPLAYED;
    sg_free(bytes);
    return ok;
}

bool sg_snapshot_build(sg_snapshot_use *use, sg_search *search, const char *folder, const char *fingerprint,
                       uint64_t generation, sg_error *err)
{
    const stamp now = {fingerprint, generation};
    sg_snapshot_use unused;
    if (!use) use = &unused;
    *use = SG_SNAPSHOT_NONE;
    if (!search->kind->save || search->codes.n == 0) return sg_search_build(search, err);
    SG_ASSERT(strlen(fingerprint) <= FINGERPRINT_NBYTES);
    char *path = path_of(folder, search->kind->name);
    if (!path) return sg_fail_memory(err, "snapshot");
    bool ok = try(search, path, &now, use);
    /* What cannot be read because of an interrupt is not built instead. */
    if (!ok && sg_interrupt_check(err) && (ok = sg_search_build(search, err))) {
        *use = SG_SNAPSHOT_REBUILT;
        leave(folder, path, search, &now);
    }
    sg_free(path);
    return ok;
}

bool sg_snapshot_remove(const char *folder, const char *kind, sg_error *err)
{
    char *path = path_of(folder, kind);
    if (!path) return sg_fail_memory(err, "snapshot");
    bool ok = unlink(path) == 0 || errno == ENOENT || sg_fail_errno(err, errno, "%s: cannot remove", path);
    sg_free(path);
    return ok;
}
