/* A store's data file written anew: a copy elsewhere, or a smaller one in its own place.
 *
 * Compaction keeps the environment's state and transaction number, and so lock.mdb. LMDB's compacting copy calls its
 * state transaction 1. But lock.mdb says which transaction is the newest to everybody who has the environment open, and
 * is set from the data file only by an opener who is alone: with another number in the new file, one who opens it while
 * an older process lives would take the wrong meta page. A new lock.mdb would not do either: two files cannot be
 * replaced in one step, and who comes between them has the one with the other. So the new file gets the number T of the
 * state that it holds, and the head, which names its transaction, stays true. Whoever has the old file mapped reads T
 * there as before; once a writer has committed T + 1 to the new file, the old one has no such meta page, which a view
 * sees. Entries of such readers in lock.mdb keep pages of the new file from being used again for a while: harmless. */
#include "folder_impl.h"
#include "store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signet/file.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMPACT_FOLDER "compact.tmp" /* made and removed by the holder of the writer's lock alone */

void sg_store_sweep(const sg_store *store)
{
    char *folder;
    if (!sg_path_join(&folder, store->dir, COMPACT_FOLDER, NULL)) return;
    if (sg_is_dir(folder)) sg_folder_remove(folder);
    sg_free(folder);
}

/* A new file, with the owner and mode of the one that it is a copy of. */
static int make_file(const char *path, int like, sg_error *err)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    bool ok = fd >= 0 && fstat(like, &st) == 0 && fchmod(fd, st.st_mode & 07777) == 0;
    if (!ok) sg_fail_errno(err, errno, "%s: cannot write", path);
    if (ok && fchown(fd, st.st_uid, st.st_gid) != 0) errno = 0; /* only root gives files away */
    if (ok || fd < 0) return fd;
    close(fd);
    return -1;
}

/* Is what was written to `folder` the whole of the state `head`, and sound? */
static bool check_copy(const sg_store *store, const sg_store_head *head, const char *folder, sg_error *err)
{
    sg_store *copy;
    sg_view view;
    size_t faults;
    if (!sg_store_open(&copy, folder, false, 0, err)) return false;
    bool ok = sg_store_verify(&faults, copy, NULL, NULL, err);
    if (ok && faults > 0)
        ok = sg_fail(err, SG_ERR_FORMAT, "%s: is damaged: a copy of it has %zu faults (see: index verify)",
                     store->dir, faults);
    if (ok && (ok = sg_view_open(&view, copy, err))) {
        if (view.head.txnid != head->txnid || view.head.generation != head->generation)
            ok = sg_fail(err, SG_ERR_IO, "%s: the copy is of another state", store->dir);
        sg_view_close(&view);
    }
    sg_store_close(copy);
    return ok;
}

/* --- a copy elsewhere --- */

static bool copy_state(sg_store_head *head, sg_store *store, const char *path, sg_error *err)
{
    sg_view view;
    int fd = make_file(path, store->fd, err);
    if (fd < 0) return false;
    bool ok = sg_view_open(&view, store, err);
    if (ok) {
        *head = view.head;
        ok = sg_pages_copy(&view.pages, fd, path, head->txnid, err);
        sg_view_close(&view);
    }
    if (ok && fsync(fd) != 0) ok = sg_fail_errno(err, errno, "%s: cannot write", path);
    close(fd);
    return ok;
}

bool sg_store_copy(sg_store *store, const char *dir, sg_store_fill fill, void *context, sg_error *err)
{
    sg_folder folder;
    sg_store_head head;
    char *path = NULL;
    SG_ASSERT(!store->batch);
    if (!sg_folder_begin(&folder, dir, err)) return false;
    bool ok = sg_store_check_place(folder.temporary, err) &&
              sg_path_join(&path, folder.temporary, SG_STORE_DATA, err) &&
              copy_state(&head, store, path, err) && check_copy(store, &head, folder.temporary, err) &&
              (!fill || fill(context, folder.temporary, err));
    sg_free(path);
    if (ok) return sg_folder_commit(&folder, err);
    sg_folder_abort(&folder);
    return false;
}

/* --- a smaller one in its place --- */

static bool count_pages(uint64_t *npages, const sg_view *view, sg_error *err)
{
    const MDB_dbi list_of_tables = 1; /* LMDB's own: its pages are used too */
    MDB_stat st;
    *npages = 2; /* the meta pages */
    for (int i = -1; i < sg_tables_of(view->head.version); i++) {
        int rc = mdb_stat(view->txn, i < 0 ? list_of_tables : view->store->tables[i], &st);
        if (rc != 0) return sg_store_fail(view->store, rc, "cannot read", err);
        *npages += st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
    }
    return true;
}

/* LMDB follows every page: each is looked at before. */
static bool measure(sg_store_sizes *sizes, sg_store_head *head, sg_store *store, sg_error *err)
{
    sg_view view;
    struct stat st;
    const sg_span none = {NULL, 0};
    uint64_t npages = 0;
    if (fstat(store->fd, &st) != 0) return sg_fail_errno(err, errno, "%s: cannot read", store->file);
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = sg_pages_check(&view.pages, &view.pages.main, none, none, err) &&
              sg_pages_check(&view.pages, &view.pages.free, none, none, err);
    for (int i = 0; ok && i < SG_TABLES; i++) ok = sg_view_check(&view, i, NULL, NULL, 0, err);
    ok = ok && count_pages(&npages, &view, err);
    *sizes = (sg_store_sizes){(uint64_t)st.st_size, npages * view.pages.page_nbytes};
    *head = view.head;
    sg_view_close(&view);
    return ok;
}

/* LMDB's compacting copy into fd, under its own transaction number. */
static bool write_compacted(const sg_store_head *head, sg_store *store, int fd, const char *path,
                            sg_error *err)
{
    sg_pages pages;
    bool moved;
    int rc = mdb_env_copyfd2(store->env, fd, MDB_CP_COMPACT);
    if (rc != 0) return sg_store_fail(store, rc, "cannot write the compacted index", err);
    if (!sg_interrupt_check(err) || !sg_pages_snapshot(&pages, &moved, fd, path, 1, err)) return false;
    if (moved) return sg_fail(err, SG_ERR_IO, "%s: is not what LMDB's copies are", path);
    if (!sg_pages_seal(&pages, fd, path, head->txnid, err)) return false;
    return fsync(fd) == 0 ? true : sg_fail_errno(err, errno, "%s: cannot write", path);
}

/* Gives the new file the name of the old one. */
static bool swap(sg_store *store, const char *folder, const char *path, sg_error *err)
{
    char *lock;
    if (!sg_path_join(&lock, folder, SG_STORE_LOCK, err)) return false;
    unlink(lock); /* made by the look at the copy */
    sg_free(lock);
    if (rename(path, store->file) != 0)
        return sg_fail_errno(err, errno, "%s: cannot be replaced", store->file);
    rmdir(folder);
    return sg_folder_sync(store->dir, err);
}

/* In a folder within the index, for the place beside it may be another disk or not be ours to write. */
static bool compact_in(sg_store *store, const sg_store_head *head, const char *folder, sg_error *err)
{
    char *path;
    int fd = -1;
    if (!sg_path_join(&path, folder, SG_STORE_DATA, err)) return false;
    bool ok = mkdir(folder, 0700) == 0 || sg_fail_errno(err, errno, "%s: cannot make the folder", folder);
    if (ok) ok = (fd = make_file(path, store->fd, err)) >= 0;
    /* From the swap on the next writer takes the new file's lock: not before the folder is gone. */
    if (ok && flock(fd, LOCK_EX | LOCK_NB) != 0) ok = sg_fail_errno(err, errno, "%s: cannot lock", path);
    ok = ok && write_compacted(head, store, fd, path, err) && check_copy(store, head, folder, err) &&
         swap(store, folder, path, err);
    if (!ok) sg_folder_remove(folder);
    if (fd >= 0) close(fd);
    sg_free(path);
    return ok;
}

bool sg_store_compact(sg_store_sizes *sizes, const char *dir, bool only_ask, int timeout_ms, sg_error *err)
{
    sg_store *store;
    sg_store_head head;
    struct stat st;
    char *folder = NULL;
    if (!sg_store_open(&store, dir, !only_ask, timeout_ms, err)) return false;
    bool ok = measure(sizes, &head, store, err);
    if (ok && !only_ask) {
        if (lstat(store->file, &st) != 0 || !S_ISREG(st.st_mode))
            ok = sg_fail(err, SG_ERR_IO, "%s: is a link: it cannot be replaced", store->file);
        ok = ok && sg_path_join(&folder, dir, COMPACT_FOLDER, err) && compact_in(store, &head, folder, err);
    }
    sg_free(folder);
    sg_store_close(store);
    return ok;
}
