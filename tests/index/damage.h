/* Damage done to an index on purpose: whatever byte of data.mdb is another, whatever its length, an answer is right or
 * an error, nothing crashes, and what verify calls sound is sound. */
#ifndef SIGNET_TESTS_DAMAGE_H
#define SIGNET_TESTS_DAMAGE_H

#include "world.h"

#include <sys/wait.h>

#define FLIPS_A_CHILD 256

typedef struct tally {
    size_t refused, faulty, sound;
} tally;

static inline void count_fault(void *context, const char *fault)
{
    assert_true(strlen(fault) > 0);
    ++*(size_t *)context;
}

typedef struct survey {
    const world *w;
    uint64_t last, n, pairs;
    bool right;
} survey;

static inline bool survey_item(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    survey *s = context;
    s->right = item->id > s->last && is_right(s->w, item) && s->w->live[item->id];
    s->last = item->id;
    s->n++;
    return s->right;
}

static inline bool survey_pair(void *context, uint64_t a, uint64_t b, sg_error *err)
{
    (void)err;
    survey *s = context;
    s->right = a >= 1 && a < s->w->n && b == a + 1 && paired(s->w, a);
    s->pairs++;
    return s->right;
}

/* Each of these: false when what was said is wrong; *all false when it was not said, or by an error. */
static inline bool codes_right(bool *all, const world *w, sg_store *store)
{
    uint8_t *codes, want[NBITS / 8];
    uint64_t *ids, generation;
    size_t n;
    sg_error err = {0};
    if (!sg_store_load(&codes, &ids, &n, &generation, store, &err))
        return *all = false, err.code == SG_ERR_FORMAT;
    bool right = n == w->nlive;
    for (size_t i = 0; right && i < n; i++) {
        make_item("/", ids[i], 0, 0, want, NBITS);
        right = ids[i] <= w->n && w->live[ids[i]] && (i == 0 || ids[i] > ids[i - 1]) &&
                memcmp(codes + i * sizeof want, want, sizeof want) == 0;
    }
    sg_free(codes);
    sg_free(ids);
    return right;
}

static inline bool lists_right(bool *all, const world *w, sg_store *store)
{
    survey s = {.w = w, .right = true};
    sg_error err = {0};
    uint64_t npairs = 0;
    bool ok = sg_store_each(store, survey_item, &s, &err);
    if (!s.right || (!ok && err.code != SG_ERR_FORMAT)) return false;
    if (!ok) *all = false;
    if (ok && s.n != w->nlive) return false;
    if (!sg_store_pairs(store, survey_pair, &s, &err)) return *all = false, err.code == SG_ERR_FORMAT;
    for (uint64_t id = 1; id <= w->n; id++) npairs += paired(w, id);
    return s.right && s.pairs == npairs;
}

static inline bool id_right(bool *all, const world *w, sg_store *store, uint64_t id)
{
    sg_item item;
    sg_error err = {0};
    char *path, want_path[32];
    float outputs[NBITS], want[NBITS];
    uint64_t other;
    bool found, right = true;
    if (sg_store_get(&item, &path, store, id, &err))
        right = is_right(w, &item);
    else
        *all = false;
    sg_free(path);
    outputs_of(want, id);
    if (!sg_store_outputs(outputs, &found, store, id, &err) || !found)
        *all = false;
    else
        right &= memcmp(outputs, want, sizeof want) == 0;
    path_of(want_path, w, id);
    if (is_bare(w, id)) return right;
    if (!sg_store_find_path(&other, &found, store, want_path, &err) || !found)
        *all = false;
    else
        right &= other == id;
    return right;
}

static inline bool info_right(bool *all, const world *w, sg_store *store)
{
    sg_store_info info;
    sg_error err = {0};
    if (!sg_store_info_get(&info, store, &err)) return *all = false, err.code == SG_ERR_FORMAT;
    bool right = info.items == w->nlive && info.nbits == NBITS && info.outputs && info.next_id == w->n + 1 &&
                 strcmp(info.kind, "mih") == 0 && strcmp(info.fingerprint, FINGERPRINT) == 0 &&
                 info.recipe.n == 1 && info.params.n == 1;
    sg_store_info_clear(&info);
    return right;
}

/* Looks at the store in every way, at single items by every step-th. False: an answer was wrong and nothing said so. */
static inline bool answers_soundly(tally *t, const world *w, uint64_t step)
{
    sg_error err = {0};
    sg_store *store;
    size_t faults, reported = 0;
    bool all = true;
    if (!sg_store_open(&store, "idx", false, 0, &err)) {
        t->refused++;
        return err.message[0] != '\0';
    }
    if (!sg_store_verify(&faults, store, count_fault, &reported, &err)) return false;
    bool right = faults == reported && info_right(&all, w, store) && codes_right(&all, w, store) &&
                 lists_right(&all, w, store);
    for (uint64_t id = 1; right && id <= w->n; id += step)
        if (w->live[id]) right = id_right(&all, w, store, id);
    sg_store_close(store);
    if (faults == 0 && !all) right = false; /* verify must have seen it */
    if (faults > 0) t->faulty++;
    if (faults == 0) t->sound++;
    return right;
}

typedef struct change {
    off_t at;
    uint8_t mask;
} change;

static inline void flip(int fd, change c)
{
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, c.at), 1);
    byte ^= c.mask;
    assert_int_equal(pwrite(fd, &byte, 1, c.at), 1);
}

/* Runs changes [first, first + n) one after the other in a child. The number that were done well; prints what was
 * not. */
static inline size_t run_child(size_t first, size_t n, const change *changes, const world *w, uint64_t step,
                               tally *t)
{
    int pipe_fds[2];
    struct {
        size_t done;
        tally t;
    } message = {0, *t};
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int fd = open("idx/data.mdb", O_RDWR);
        for (size_t i = 0; i < n; i++) {
            flip(fd, changes[first + i]);
            bool ok = answers_soundly(&message.t, w, step);
            flip(fd, changes[first + i]);
            if (!ok) break;
            message.done++;
            if (write(pipe_fds[1], &message, sizeof message) != sizeof message) _exit(1);
        }
        _exit(0);
    }
    close(pipe_fds[1]);
    while (read(pipe_fds[0], &message, sizeof message) == sizeof message) continue;
    close(pipe_fds[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    *t = message.t;
    if (message.done < n) {
        const change *bad = &changes[first + message.done];
        print_message("byte %ld mask %02x: %s (status %x)\n", (long)bad->at, bad->mask,
                      WIFSIGNALED(status) ? "killed" : "a wrong answer", (unsigned)status);
    }
    return message.done;
}

static inline void try_changes(const change *changes, size_t n, const world *w, uint64_t step)
{
    tally t = {0};
    size_t bad = 0;
    for (size_t i = 0; i < n;) {
        size_t some = n - i < FLIPS_A_CHILD ? n - i : FLIPS_A_CHILD;
        size_t done = run_child(i, some, changes, w, step, &t);
        i += done;
        if (done < some) bad++, i++;
    }
    print_message("%zu changes: %zu refused at open, %zu found by verify, %zu of no consequence\n", n,
                  t.refused, t.faulty, t.sound);
    assert_int_equal(bad, 0);
    assert_true(t.faulty > 0 && t.sound > 0);
}

/* Every step-th byte (of the meta pages every fourth of that): all its bits at once, and one of them. */
static inline void flip_bytes(size_t step)
{
    world w;
    make_world(&w, 50, 60);
    change *changes = calloc(w.nbytes * 2, sizeof *changes);
    size_t n = 0;
    for (size_t at = 0; at < w.nbytes; at += at < 2 * PAGE ? (step + 3) / 4 : step) {
        changes[n++] = (change){(off_t)at, 0xff};
        changes[n++] = (change){(off_t)at, (uint8_t)(1u << at / step % 8)};
    }
    try_changes(changes, n, &w, 1);
    free(changes);
    free_world(&w);
}

/* Bytes at random places of a larger index, whose trees have branches. */
static inline void flip_some_of_many(size_t n)
{
    world w;
    sg_rng rng = sg_rng_at(21, SG_RNG_TEST, 0, 0);
    make_world(&w, 9000, 9900);
    change *changes = calloc(n, sizeof *changes);
    for (size_t i = 0; i < n; i++)
        changes[i] =
            (change){(off_t)sg_rng_below(&rng, (uint32_t)w.nbytes), (uint8_t)(1 + sg_rng_below(&rng, 255))};
    try_changes(changes, n, &w, 997);
    free(changes);
    free_world(&w);
}

/* The lengths from *length down, as many as a child does. False: one was not taken well; *length is that one. */
static inline bool cut_some(size_t *length, size_t step, bool zero, const world *w)
{
    int fd = open("idx/data.mdb", O_RDWR), status, fds[2];
    size_t from = *length;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    for (int i = 0; child == 0 && i < FLIPS_A_CHILD && from > 0; i++) {
        tally t = {0};
        from -= from < step ? from : (from - 1) % PAGE == 0 || from % PAGE < 2 ? 1 : step;
        if (write(fds[1], &from, sizeof from) != sizeof from || ftruncate(fd, (off_t)from) != 0) _exit(2);
        if (zero && ftruncate(fd, (off_t)w->nbytes) != 0) _exit(3);
        if (!answers_soundly(&t, w, 1)) _exit(1);
        size_t lost = w->nbytes - from;
        if (pwrite(fd, w->sound + from, lost, (off_t)from) != (ssize_t)lost) _exit(4);
    }
    if (child == 0) _exit(0);
    close(fds[1]);
    while (read(fds[0], &from, sizeof from) == sizeof from) *length = from;
    close(fds[0]);
    close(fd);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status == 0;
}

/* Cut to each length, by every step-th byte and around the pages' bounds; zero: what is cut off is zero instead, which a
 * file system may leave after a crash. */
static inline void cut_off(size_t step, bool zero)
{
    world w;
    make_world(&w, 50, 60);
    for (size_t length = w.nbytes; length > 0;)
        if (!cut_some(&length, step, zero, &w)) fail_msg("cut to %zu bytes", length);
    free_world(&w);
}

#endif
