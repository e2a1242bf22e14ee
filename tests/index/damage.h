/* Damage done to an index on purpose: whatever byte of data.mdb is another, whatever its length, an answer is right or
 * an error, nothing crashes, and what verify calls sound is sound. */
#ifndef SIGNET_TESTS_DAMAGE_H
#define SIGNET_TESTS_DAMAGE_H

#include "reference.h"

#include <fcntl.h>
#include <sys/stat.h>
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

/* Looks at the store in every way. False: an answer was wrong and nothing said so. */
static inline bool answers_soundly(tally *t, const reference *ref)
{
    sg_error err = {0};
    sg_store *store;
    size_t faults, reported = 0;
    bool loaded, right = true, all = true;
    if (!sg_store_open(&store, "idx", false, 0, &err)) {
        t->refused++;
        return err.message[0] != '\0';
    }
    if (!sg_store_verify(&faults, store, count_fault, &reported, &err)) return false;
    right = faults == reported;
    if (!equal_codes(&loaded, store, ref, &err)) right &= !loaded, all = false;
    if (!equal_items(store, ref, &err)) right &= err.code == SG_ERR_FORMAT, all = false;
    for (size_t i = 0; i < ref->n; i++) {
        const ref_item *want = &ref->items[i];
        sg_item item;
        char *path;
        uint64_t id;
        bool found;
        if (sg_store_get(&item, &path, store, want->id, &err)) {
            right &= strcmp(path, want->path) == 0 && memcmp(item.content, want->content, 16) == 0;
            sg_free(path);
        } else {
            all = false;
        }
        if (!sg_store_find_path(&id, &found, store, want->path, &err) || !found)
            all = false;
        else
            right &= id == want->id;
    }
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
static inline size_t run_child(size_t first, size_t n, const change *changes, const reference *ref, tally *t)
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
            bool ok = answers_soundly(&message.t, ref);
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

static inline off_t make_small(reference *ref)
{
    struct stat st;
    sg_error err = {0};
    create_store("idx", ref->nbits);
    sg_store *store = open_store("idx", true);
    add_items(store, ref, 0, 30);
    begin(store);
    assert_true(sg_store_remove(store, 4, &err)); /* free pages, a dead code */
    ref_remove(ref, ref_id(ref, 4));
    commit(store);
    add_items(store, ref, 30, 10);
    assert_equals(store, ref);
    sg_store_close(store);
    assert_int_equal(stat("idx/data.mdb", &st), 0);
    return st.st_size;
}

static inline void try_changes(const change *changes, size_t n, const reference *ref)
{
    tally t = {0};
    size_t bad = 0;
    for (size_t i = 0; i < n;) {
        size_t some = n - i < FLIPS_A_CHILD ? n - i : FLIPS_A_CHILD;
        size_t done = run_child(i, some, changes, ref, &t);
        i += done;
        if (done < some) bad++, i++;
    }
    print_message("%zu changes: %zu refused at open, %zu found by verify, %zu of no consequence\n", n,
                  t.refused, t.faulty, t.sound);
    assert_int_equal(bad, 0);
    assert_true(t.refused > 0 && t.faulty > 0 && t.sound > 0);
}

/* Every step-th byte (of the meta pages every fourth of that): all its bits at once, and one of them. */
static inline void flip_bytes(off_t step)
{
    reference ref = ref_new(64);
    off_t size = make_small(&ref);
    change *changes = calloc((size_t)size * 2, sizeof *changes);
    size_t n = 0;
    for (off_t at = 0; at < size; at += at < 2 * 4096 ? (step + 3) / 4 : step) {
        changes[n++] = (change){at, 0xff};
        changes[n++] = (change){at, (uint8_t)(1u << at / step % 8)};
    }
    try_changes(changes, n, &ref);
    free(changes);
    ref_free(&ref);
}

#endif
