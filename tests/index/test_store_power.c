/* The machine dies. What a writer writes goes through here and is kept beside the file; a crash at any moment then leaves
 * what was synced, and of what was written since any part, in any order. Whatever is left is an index that opens and
 * verifies, with every batch that was acknowledged, and whole ones alone. */
#include "world.h"

#include <sys/syscall.h>
#include <sys/uio.h>

typedef struct event {
    enum { WRITTEN, WRITTEN_THROUGH, SYNCED, ACKNOWLEDGED } what;
    off_t at;
    size_t nbytes;
    uint8_t *bytes;
} event;

static event *events;
static size_t nevents, events_cap;
static bool recording;

static void record(int what, off_t at, const void *bytes, size_t nbytes)
{
    if (!recording) return;
    if (nevents == events_cap) {
        events_cap = events_cap ? 2 * events_cap : 256;
        events = realloc(events, events_cap * sizeof *events);
    }
    events[nevents] = (event){what, at, nbytes, malloc(nbytes + 1)};
    if (nbytes > 0) memcpy(events[nevents].bytes, bytes, nbytes);
    nevents++;
}

/* LMDB's writes and syncs. What is written to a file that was opened so is on the disk at once, but nothing else is. */
ssize_t pwrite(int fd, const void *bytes, size_t nbytes, off_t at)
{
    record(fcntl(fd, F_GETFL) & O_DSYNC ? WRITTEN_THROUGH : WRITTEN, at, bytes, nbytes);
    return syscall(SYS_pwrite64, fd, bytes, nbytes, at);
}

ssize_t writev(int fd, const struct iovec *pieces, int n)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    for (int i = 0; i < n; at += (off_t)pieces[i++].iov_len)
        record(WRITTEN, at, pieces[i].iov_base, pieces[i].iov_len);
    return syscall(SYS_writev, fd, pieces, n);
}

int fdatasync(int fd)
{
    record(SYNCED, 0, NULL, 0);
    return (int)syscall(SYS_fdatasync, fd);
}

/* --- the writer: batch k (from 1) adds BATCH items, and removes one of batch k - 2 --- */

#define STATES  1 /* of the disk, for each moment */
#define BATCH   60
#define BATCHES 12

static uint64_t removed_by(uint64_t k)
{
    return k > 2 ? (k - 3) * BATCH + k : 0;
}

static void write_batches(void)
{
    sg_error err = {0};
    uint8_t code[NBITS / 8];
    char path[32];
    sg_store *store = open_store("idx", true);
    recording = true;
    for (uint64_t k = 1; k <= BATCHES; k++) {
        begin(store);
        for (uint64_t id = (k - 1) * BATCH + 1; id <= k * BATCH; id++) {
            sg_put_kind kind;
            uint64_t given, other;
            snprintf(path, sizeof path, "/p/%llu", (unsigned long long)id);
            sg_item item = make_item(path, id, id, (int64_t)id, code, NBITS);
            assert_true(sg_store_put(&kind, &given, &other, store, &item, &err));
            assert_int_equal(given, id);
        }
        if (removed_by(k)) assert_true(sg_store_remove(store, removed_by(k), &err));
        commit(store);
        record(ACKNOWLEDGED, 0, NULL, 0);
    }
    recording = false;
    sg_store_close(store);
}

/* --- the crash --- */

static void put_bytes(int fd, off_t at, const uint8_t *bytes, size_t nbytes)
{
    assert_int_equal(syscall(SYS_pwrite64, fd, bytes, nbytes, at), nbytes);
}

/* All of a write, none of it, or some of its pages; a meta page is within a sector: it is there or not. */
static void put_some(int fd, const event *e, sg_rng *rng)
{
    uint32_t how = sg_rng_below(rng, 3);
    if (how == 0) return;
    if (how == 1 || e->at < 2 * PAGE) {
        put_bytes(fd, e->at, e->bytes, e->nbytes);
        return;
    }
    for (size_t done = 0; done < e->nbytes; done += PAGE) {
        size_t some = e->nbytes - done < PAGE ? e->nbytes - done : PAGE;
        if (sg_rng_below(rng, 2)) put_bytes(fd, e->at + (off_t)done, e->bytes + done, some);
    }
}

/* The disk as a crash before event `end` may leave it. Returns how many batches had been acknowledged. */
static uint64_t crash(const char *before, size_t nbefore, size_t end, sg_rng *rng)
{
    size_t synced = 0;
    uint64_t acknowledged = 0;
    for (size_t i = 0; i < end; i++) {
        if (events[i].what == SYNCED) synced = i;
        acknowledged += events[i].what == ACKNOWLEDGED;
    }
    assert_int_equal(system("rm -f idx/lock.mdb"), 0);
    scratch_put("idx/data.mdb", before, nbefore);
    int fd = open("idx/data.mdb", O_RDWR);
    for (size_t i = 0; i < end; i++) {
        if (events[i].what == SYNCED || events[i].what == ACKNOWLEDGED) continue;
        if (i < synced || events[i].what == WRITTEN_THROUGH)
            put_bytes(fd, events[i].at, events[i].bytes, events[i].nbytes);
        else
            put_some(fd, &events[i], rng);
    }
    close(fd);
    return acknowledged;
}

typedef struct tally {
    uint64_t n, batches;
} tally;

static bool check_item(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    tally *t = context;
    uint8_t code[NBITS / 8];
    char path[32];
    t->n++;
    snprintf(path, sizeof path, "/p/%llu", (unsigned long long)item->id);
    make_item(path, item->id, 0, 0, code, NBITS);
    assert_string_equal(item->path, path);
    assert_memory_equal(item->code, code, sizeof code);
    for (uint64_t k = 1; k <= t->batches; k++) assert_true(removed_by(k) != item->id);
    return true;
}

static void assert_survived(uint64_t acknowledged)
{
    sg_error err = {0};
    sg_store_info info;
    tally t = {0};
    sg_store *store = open_store("idx", true);
    assert_sound(store);
    assert_true(sg_store_info_get(&info, store, &err));
    t.batches = info.generation - 1;
    assert_true(t.batches == acknowledged || t.batches == acknowledged + 1);
    assert_int_equal(info.next_id, t.batches * BATCH + 1);
    if (!sg_store_each(store, check_item, &t, &err)) fail_msg("%s", err.message);
    assert_int_equal(t.n, t.batches * BATCH - (t.batches > 2 ? t.batches - 2 : 0));
    sg_store_info_clear(&info);
    sg_store_close(store);
}

static void test_power_fails(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(31, SG_RNG_TEST, 0, 0);
    sg_error err = {0};
    char *before;
    size_t nbefore, states = 0;
    create_store("idx", NBITS);
    assert_true(sg_file_read(&before, &nbefore, "idx/data.mdb", SIZE_MAX, &err));
    write_batches();
    assert_true(nevents > BATCHES * 4);
    for (size_t end = 0; end <= nevents; end++)
        for (int i = 0; i < STATES; i++, states++) assert_survived(crash(before, nbefore, end, &rng));
    print_message("%zu events, %zu states of the disk\n", nevents, states);
    for (size_t i = 0; i < nevents; i++) free(events[i].bytes);
    free(events);
    sg_free(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {scratch_test(test_power_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
