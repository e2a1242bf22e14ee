/* Readers without a place in LMDB's table of readers: those who may not write lock.mdb, or for whom the disk has no room
 * for it. LMDB would give pages that such a reader still looks at to a later transaction. What keeps them is a lock that
 * a reader may take on a file it can only read, shared, on a byte of data.mdb beyond all data, while it looks:
 *
 *   - such a reader takes the lock, then begins its read transaction: of state N, the newest one at that moment;
 *   - a writer always holds a read transaction of its own, the pin, of a state T: LMDB then keeps all pages of T and
 *     of every later state. It may take a newer pin at the beginning of a batch, but gives up the older one only if,
 *     after the newer has been taken, nobody holds the lock. Who takes the lock later sees the newer state, or one
 *     newer still; so N >= T of every such reader, and nothing it looks at is written over.
 *   - a writer that has just opened the index has no older pin to keep: it takes its first one and waits until the lock
 *     is free.
 *
 * So readers never wait, a writer waits for such a reader only while it opens, and then only for the call that the
 * reader is in. The pin costs nothing: without readers LMDB keeps the pages of the newest state anyway. */
#include "store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signet/interrupt.h>
#include <signet/progress.h>
#include <time.h>
#include <unistd.h>

#define GATE_AT ((off_t)1 << 62)
#define POLL_NS (5 * 1000 * 1000)

static bool lock(const sg_store *store, short type, sg_error *err)
{
    struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = GATE_AT, .l_len = 1};
    while (fcntl(store->fd, F_OFD_SETLKW, &range) != 0)
        if (errno != EINTR) return sg_fail_errno(err, errno, "%s: cannot lock", store->file);
    return true;
}

bool sg_gate_enter(const sg_store *store, sg_error *err)
{
    return !store->apart || lock(store, F_RDLCK, err);
}

void sg_gate_leave(const sg_store *store)
{
    if (store->apart) lock(store, F_UNLCK, NULL);
}

static bool is_free(bool *empty, const sg_store *store, sg_error *err)
{
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = GATE_AT, .l_len = 1};
    if (fcntl(store->fd, F_OFD_GETLK, &range) != 0)
        return sg_fail_errno(err, errno, "%s: cannot look for readers", store->file);
    *empty = range.l_type == F_UNLCK;
    return true;
}

static bool take_pin(MDB_txn **pin, sg_store *store, sg_error *err)
{
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, pin);
    return rc == 0 ? true : sg_store_fail(store, rc, "cannot enter the table of readers", err);
}

bool sg_gate_open(sg_store *store, int timeout_ms, sg_error *err)
{
    double until = sg_now_seconds() + timeout_ms / 1000.0;
    bool empty;
    if (!take_pin(&store->pin, store, err)) return false;
    while (true) {
        if (!sg_interrupt_check(err) || !is_free(&empty, store, err)) return false;
        if (empty) return true;
        if (sg_now_seconds() >= until)
            return sg_fail(err, SG_ERR_IO,
                           "%s: a process that may not write %s is reading this index (waited %.1f s)",
                           store->dir, SG_STORE_LOCK, timeout_ms / 1000.0);
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
}

bool sg_gate_renew(sg_store *store, sg_error *err)
{
    MDB_txn *newer;
    bool empty;
    if (!sg_store_follow(store, err)) return false; /* is it still open? */
    mdb_reader_check(store->env, NULL);             /* readers that died meanwhile keep pages no longer */
    if (!take_pin(&newer, store, err)) return false;
    bool ok = is_free(&empty, store, err);
    if (ok && empty) {
        MDB_txn *older = store->pin;
        store->pin = newer;
        newer = older;
    }
    if (newer) mdb_txn_abort(newer);
    return ok;
}

void sg_gate_close(sg_store *store)
{
    if (store->pin) mdb_txn_abort(store->pin);
    store->pin = NULL;
}
