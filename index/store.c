/* A store opened and closed: what must be true of the folder before LMDB may map its file, and the writer's place. */
#include "store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signet/file.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <signet/progress.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define READERS_MAX  510
#define LOCK_NBYTES  32768 /* of lock.mdb with so many readers */
#define LOCK_POLL_NS (20 * 1000 * 1000)
#define CHECK_NBYTES ((uint64_t)64 << 20) /* up to this size, some 30 ms, a writer looks at all pages */

const char *const sg_table_names[SG_TABLES] = {"meta",     "codes",   "items", "paths",
                                               "contents", "outputs", "pairs"};

int sg_tables_of(unsigned version)
{
    return version == 0 ? 0 : version == 1 ? SG_TABLES_1 : SG_TABLES;
}

bool sg_store_fail(sg_store *store, int rc, const char *what, sg_error *err)
{
    if (rc == MDB_MAP_FULL) store->full = true;
    /* What LMDB says of a write that ends early. */
    if (rc == EIO || rc == ENOSPC || rc == EFBIG || rc == EDQUOT)
        return sg_fail_errno(err, rc, "%s: %s (is the disk full?)", store->dir, what);
    if (rc > 0) return sg_fail_errno(err, rc, "%s: %s", store->dir, what);
    bool damage = rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID ||
                  rc == MDB_VERSION_MISMATCH || rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE;
    return sg_fail(err, damage ? SG_ERR_FORMAT : SG_ERR_IO, "%s: %s: %s", store->dir, what, mdb_strerror(rc));
}

bool sg_store_damaged(const sg_store *store, const char *table, uint64_t key, const char *what, sg_error *err)
{
    return sg_fail(err, SG_ERR_FORMAT, "%s: damaged: %s %llu %s", store->dir, table, (unsigned long long)key,
                   what);
}

/* LMDB's locks and its shared map hold on one machine only. FUSE is let through: most of it is local, and what is
 * not cannot be told apart here. */
static const char *network_file_system(long type)
{
    static const struct {
        unsigned long type;
        const char *name;
    } known[] = {{NFS_SUPER_MAGIC, "NFS"}, {SMB_SUPER_MAGIC, "SMB"},     {0xFF534D42, "CIFS"},
                 {0xFE534D42, "SMB2"},     {CODA_SUPER_MAGIC, "Coda"},   {AFS_SUPER_MAGIC, "AFS"},
                 {AFS_FS_MAGIC, "AFS"},    {V9FS_MAGIC, "9P"},           {0x00C36400, "Ceph"},
                 {0x0BD00BD0, "Lustre"},   {OCFS2_SUPER_MAGIC, "OCFS2"}, {0x01161970, "GFS2"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if ((unsigned long)type == known[i].type) return known[i].name;
    return NULL;
}

bool sg_store_check_place(const char *dir, sg_error *err)
{
    struct statfs fs;
    if (statfs(dir, &fs) != 0) return sg_fail_errno(err, errno, "%s", dir);
    const char *name = network_file_system((long)fs.f_type);
    if (name)
        return sg_fail(err, SG_ERR_UNSUPPORTED,
                       "%s: is on a network file system (%s), where locks do not hold between machines", dir,
                       name);
    return true;
}

/* The writer's place is a lock on the data file: given back by the system when the process ends, however it ends. */
static bool take_writers_place(sg_store *store, int timeout_ms, sg_error *err)
{
    double until = sg_now_seconds() + timeout_ms / 1000.0;
    while (flock(store->fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) return sg_fail_errno(err, errno, "%s: cannot lock", store->file);
        if (!sg_interrupt_check(err)) return false;
        if (sg_now_seconds() >= until)
            return sg_fail(err, SG_ERR_IO, "%s: another process is writing to this index (waited %.1f s)",
                           store->dir, timeout_ms / 1000.0);
        nanosleep(&(struct timespec){.tv_nsec = LOCK_POLL_NS}, NULL);
    }
    return true;
}

/* Has another file taken the name of the open one? Compaction does that (store_copy.c). */
static bool replaced(const sg_store *store)
{
    struct stat mine, there;
    return fstat(store->fd, &mine) == 0 && stat(store->file, &there) == 0 &&
           (mine.st_ino != there.st_ino || mine.st_dev != there.st_dev);
}

static void shut(sg_store *store)
{
    sg_gate_close(store);
    if (store->env) mdb_env_close(store->env);
    if (store->fd >= 0) close(store->fd);
    store->env = NULL;
    store->fd = -1;
    store->apart = false;
    store->version = 0;
}

static bool open_data(sg_store *store, int timeout_ms, sg_error *err)
{
    store->fd = open(store->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not keep us waiting */
    if (store->fd < 0 && errno == ENOENT)
        return sg_fail(err, SG_ERR_NOT_FOUND, "%s: holds no index (no %s)", store->dir, SG_STORE_DATA);
    if (store->fd < 0) return sg_fail_errno(err, errno, "%s: cannot open", store->file);
    if (store->writable && faccessat(AT_FDCWD, store->file, W_OK, AT_EACCESS) != 0)
        return sg_fail_errno(err, errno, "%s: cannot write", store->file);
    return !store->writable || take_writers_place(store, timeout_ms, err);
}

static bool open_file(sg_store *store, int timeout_ms, sg_error *err)
{
    struct stat st;
    if (stat(store->dir, &st) != 0) return sg_fail_errno(err, errno, "%s: cannot open the index", store->dir);
    if (!S_ISDIR(st.st_mode)) return sg_fail(err, SG_ERR_IO, "%s: is no folder, so no index", store->dir);
    if (!sg_store_check_place(store->dir, err) || !open_data(store, timeout_ms, err)) return false;
    while (replaced(store)) { /* the lock that was waited for is that of a file without a name */
        shut(store);
        if (!open_data(store, timeout_ms, err)) return false;
    }
    if (store->writable) sg_store_sweep(store);
    return sg_pages_check_file(store->fd, store->file, err);
}

/* Why lock.mdb may be done without. */
static bool is_denied(int errnum)
{
    return errnum == EACCES || errnum == EPERM || errnum == EROFS || errnum == ENOSPC || errnum == EDQUOT ||
           errnum == EFBIG;
}

bool sg_store_reserve_lock(const char *dir, bool *apart, sg_error *err)
{
    char *path;
    struct stat st;
    if (!sg_path_join(&path, dir, SG_STORE_LOCK, err)) return false;
    bool whole = faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 && stat(path, &st) == 0 &&
                 st.st_size >= LOCK_NBYTES && st.st_blocks * 512 >= LOCK_NBYTES;
    int fd = whole ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    bool ok = whole || fd >= 0;
    if (fd >= 0 && fallocate(fd, 0, 0, LOCK_NBYTES) != 0)
        ok = !is_denied(errno); /* not every file system can */
    if (!ok && apart && is_denied(errno)) ok = *apart = true;
    if (!ok) sg_fail_errno(err, errno, "%s: cannot write", path);
    if (fd >= 0) close(fd);
    sg_free(path);
    return ok;
}

/* A writer that is killed while its meta page is written leaves the number of the state before in lock.mdb, which is kept
 * while others have the index open. LMDB mends it when the next one takes its lock, and goes on from the newer state: no
 * state is to be looked at before. */
static int mend_lock(MDB_env *env)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env, NULL, 0, &txn);
    if (rc == 0) mdb_txn_abort(txn);
    return rc;
}

static bool open_environment(sg_store *store, int timeout_ms, sg_error *err)
{
    if (!sg_store_reserve_lock(store->dir, store->writable ? NULL : &store->apart, err)) return false;
    unsigned flags = MDB_NOTLS | (store->writable ? 0 : MDB_RDONLY) | (store->apart ? MDB_NOLOCK : 0);
    int rc = mdb_env_create(&store->env);
    if (rc == 0) rc = mdb_env_set_maxdbs(store->env, SG_TABLES);
    if (rc == 0) rc = mdb_env_set_maxreaders(store->env, READERS_MAX);
    if (rc == 0) rc = mdb_env_open(store->env, store->dir, flags, 0666);
    if (rc == 0 && store->writable) rc = mdb_reader_check(store->env, NULL);
    if (rc == 0 && store->writable) rc = mend_lock(store->env);
    if (rc != 0) return sg_store_fail(store, rc, "cannot open the index", err);
    return !store->writable || sg_gate_open(store, timeout_ms, err);
}

bool sg_store_open_tables(sg_store *store, unsigned version, sg_error *err)
{
    sg_view view;
    bool ok = true;
    if (!sg_view_open_bare(&view, store, err)) return false;
    for (int i = sg_tables_of(store->version); ok && i < sg_tables_of(version); i++) {
        sg_tree tree;
        ok = sg_pages_tree(&tree, &view.pages, sg_table_names[i], err);
        int rc = ok ? mdb_dbi_open(view.txn, sg_table_names[i], 0, &store->tables[i]) : 0;
        if (rc != 0) ok = sg_store_fail(store, rc, "cannot open a table", err);
    }
    if (ok) {
        int rc = mdb_txn_commit(view.txn); /* keeps the handles */
        view.txn = NULL;
        if (rc != 0) ok = sg_store_fail(store, rc, "cannot open a table", err);
    }
    sg_view_close(&view);
    if (ok) store->version = version;
    return ok;
}

/* What each later call starts from: the list of tables, and for a writer the free list too. */
static bool check_lists(sg_store *store, sg_error *err)
{
    sg_view view;
    const sg_span none = {NULL, 0};
    if (!sg_view_open_bare(&view, store, err)) return false;
    bool ok = sg_pages_check(&view.pages, &view.pages.main, none, none, err) &&
              (!store->writable || sg_pages_check(&view.pages, &view.pages.free, none, none, err));
    sg_view_close(&view);
    return ok;
}

/* A batch follows pages unlooked at, and LMDB writes where a damaged one leads it. */
static bool check_for_writing(sg_view *view, sg_error *err)
{
    bool small = view->pages.npages <= CHECK_NBYTES / view->pages.page_nbytes;
    if (!view->store->writable || !small) return true;
    posix_fadvise(view->store->fd, 0, 0, POSIX_FADV_WILLNEED); /* in one piece, not page by page */
    return sg_view_check_pages(view, err);
}

static bool open_tables(sg_store *store, sg_error *err)
{
    sg_view view;
    if (!check_lists(store, err) || !sg_store_open_tables(store, 1, err)) return false;
    if (!sg_view_open(&view, store, err)) return false; /* opens what a later version has besides */
    if (store->code_nbytes == 0) {                      /* not a file that took the place of another */
        store->code_nbytes = view.head.nbits / 8;
        memcpy(store->fingerprint, view.head.fingerprint, SG_FINGERPRINT_NBYTES);
    }
    bool ok = memcmp(store->fingerprint, view.head.fingerprint, SG_FINGERPRINT_NBYTES) == 0 &&
              store->code_nbytes == view.head.nbits / 8;
    if (!ok)
        sg_fail(err, SG_ERR_MISMATCH, "%s: has become the index of another encoder: open it anew",
                store->dir);
    ok = ok && check_for_writing(&view, err);
    sg_view_close(&view);
    return ok;
}

/* What was checked through fd must be what LMDB has mapped: both go by the name, one after the other. */
static bool open_all(sg_store *store, int timeout_ms, sg_error *err)
{
    for (;; shut(store)) {
        if (!open_file(store, timeout_ms, err) || !open_environment(store, timeout_ms, err)) return false;
        if (!replaced(store)) return open_tables(store, err);
    }
}

/* LMDB gives its map up before it takes another one, and does not live without. So room for the larger one is looked for
 * first; and where LMDB still does not get it, nothing of it is used any more. */
bool sg_store_remap(sg_store *store, size_t nbytes, sg_error *err)
{
    const char *what = "cannot map more of the index";
    if (nbytes > 0) {
        void *probe = mmap(NULL, nbytes, PROT_READ, MAP_SHARED, store->fd, 0);
        if (probe == MAP_FAILED) return sg_fail_errno(err, errno, "%s: %s", store->dir, what);
        munmap(probe, nbytes);
    }
    int rc = mdb_env_set_mapsize(store->env, nbytes);
    if (rc == 0) return true;
    sg_store_fail(store, rc, what, err);
    shut(store);
    return false;
}

bool sg_store_follow(sg_store *store, sg_error *err)
{
    if (store->writable && !store->env)
        return sg_fail(err, SG_ERR_IO, "%s: could not be mapped any more: open it anew", store->dir);
    if (store->writable || (store->env && !replaced(store))) return true;
    SG_ASSERT(store->readers == 0);
    shut(store);
    store->moved = true;
    if (open_all(store, 0, err)) return true;
    shut(store);
    return false;
}

bool sg_store_open(sg_store **result, const char *dir, bool writable, int timeout_ms, sg_error *err)
{
    *result = NULL;
    sg_store *store = sg_calloc(1, sizeof *store);
    if (!store) return sg_fail_memory(err, "store");
    store->fd = -1;
    store->writable = writable;
    store->dir = sg_strdup(dir);
    bool ok = store->dir ? sg_path_join(&store->file, dir, SG_STORE_DATA, err) : sg_fail_memory(err, "store");
    if (ok && open_all(store, timeout_ms, err)) {
        *result = store;
        return true;
    }
    sg_store_close(store);
    return false;
}

void sg_store_close(sg_store *store)
{
    if (!store) return;
    SG_ASSERT(store->readers == 0);
    sg_store_abort(store);
    shut(store);
    sg_free(store->blocks);
    sg_free(store->ops);
    sg_free(store->file);
    sg_free(store->dir);
    sg_free(store);
}

bool sg_store_is_replaced(bool *replaced, const sg_store *store, sg_error *err)
{
    struct stat open, named;
    *replaced = true;
    if (store->moved || store->fd < 0) return true;
    if (fstat(store->fd, &open) != 0 || stat(store->file, &named) != 0)
        return sg_fail_errno(err, errno, "%s: cannot open", store->file);
    *replaced = open.st_dev != named.st_dev || open.st_ino != named.st_ino;
    return true;
}

/* Texts of the table `meta`. */
static bool read_texts(sg_kv *texts, const sg_view *view, const char *name, bool needed, sg_error *err)
{
    MDB_val value;
    const char *fault = needed ? "is missing" : NULL;
    if (!sg_view_get(&value, view, SG_TABLE_META, name, strlen(name), err)) return false;
    if (value.mv_data && !sg_texts_parse(texts, &fault, value.mv_data, value.mv_size, err)) return false;
    return fault ? sg_fail(err, SG_ERR_FORMAT, "%s: damaged: the %s %s", view->store->dir, name, fault)
                 : true;
}

/* The search record may be absent: that it is, and does not stand under a damaged name, the number of entries says. */
static bool check_entries(const sg_view *view, size_t expected, sg_error *err)
{
    MDB_stat st;
    int rc = mdb_stat(view->txn, view->store->tables[SG_TABLE_META], &st);
    if (rc != 0) return sg_store_fail(view->store, rc, "cannot read", err);
    return st.ms_entries == expected
               ? true
               : sg_fail(err, SG_ERR_FORMAT, "%s: damaged: %zu records of the index where %zu belong",
                         view->store->dir, st.ms_entries, expected);
}

bool sg_store_info_get(sg_store_info *info, sg_store *store, sg_error *err)
{
    sg_view view;
    *info = (sg_store_info){.recipe = SG_KV_INIT, .params = SG_KV_INIT};
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = read_texts(&info->recipe, &view, "recipe", true, err) &&
              read_texts(&info->params, &view, "search", false, err) &&
              check_entries(&view, info->params.n > 0 ? 3 : 2, err);
    const sg_store_head *head = &view.head;
    info->version = head->version;
    info->nbits = head->nbits;
    info->items = head->items;
    info->bare = head->bare;
    info->foreign = head->foreign;
    info->next_id = head->next_id;
    info->generation = head->generation;
    info->outputs = head->keeps_outputs;
    sg_hex(info->fingerprint, head->fingerprint, sizeof head->fingerprint);
    memcpy(info->kind, head->kind, sizeof info->kind);
    sg_view_close(&view);
    if (!ok) sg_store_info_clear(info);
    return ok;
}

void sg_store_info_clear(sg_store_info *info)
{
    sg_kv_clear(&info->recipe);
    sg_kv_clear(&info->params);
    *info = (sg_store_info){.recipe = SG_KV_INIT, .params = SG_KV_INIT};
}
