/* A store put in the place of another: it is made in a folder beside, whose name is always the same, and the two folders
 * are exchanged in one step. Whatever moment a process is killed at, the old or the new one stands there whole, and what
 * lies beside is either a beginning to go on from or something to be thrown away. */
#include "folder_impl.h"
#include "store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signet/buf.h>
#include <signet/file.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BESIDE_ENDING ".signet-rebuild"

static bool exchange(const char *a, const char *b)
{
    return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0;
}

static bool touch(char **path, const char *folder, const char *name, sg_error *err)
{
    if (!sg_path_join(path, folder, name, err)) return false;
    int fd = open(*path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return sg_fail_errno(err, errno, "%s: cannot write", *path);
    close(fd);
    return true;
}

/* Hours of work must not end with a step that the file system cannot do: it is tried first. */
static bool try_exchange(const char *beside, const char *dir, sg_error *err)
{
    sg_folder folder;
    char *a = NULL, *b = NULL;
    sg_buf name = SG_BUF_INIT;
    sg_buf_printf(&name, "%s-probe", beside);
    bool ok = sg_buf_ok(&name) ? sg_folder_begin(&folder, sg_buf_text(&name), err) : sg_fail_memory(err, dir);
    if (ok) {
        ok = touch(&a, folder.temporary, "a", err) && touch(&b, folder.temporary, "b", err);
        if (ok && !exchange(a, b))
            ok = sg_fail_errno(err, errno, "%s: its file system cannot exchange two folders", dir);
        sg_folder_abort(&folder);
    }
    sg_free(a);
    sg_free(b);
    sg_buf_clear(&name);
    return ok;
}

bool sg_store_beside(char **resolved, char **beside, const char *dir, sg_error *err)
{
    char real[PATH_MAX];
    struct stat here, above;
    sg_buf name = SG_BUF_INIT;
    *resolved = *beside = NULL;
    if (!realpath(dir, real)) return sg_fail_errno(err, errno, "%s: cannot open the index", dir);
    const char *base = sg_path_base(real);
    sg_buf_printf(&name, "%.*s.%s" BESIDE_ENDING, (int)(base - real), real, base);
    char *parent = sg_strdup(real);
    bool ok = parent && sg_buf_ok(&name) ? true : sg_fail_memory(err, dir);
    if (ok) {
        parent[base - real > 1 ? base - real - 1 : 1] = '\0';
        if (stat(real, &here) != 0 || stat(parent, &above) != 0)
            ok = sg_fail_errno(err, errno, "%s: cannot open the index", dir);
        else if (here.st_dev != above.st_dev)
            ok = sg_fail(err, SG_ERR_UNSUPPORTED,
                         "%s: is a disk's own folder, which cannot be replaced by one beside it", dir);
    }
    ok = ok && try_exchange(sg_buf_text(&name), dir, err) &&
         ((*resolved = sg_strdup(real)) || sg_fail_memory(err, dir));
    sg_free(parent);
    if (!ok) {
        sg_buf_clear(&name);
        return false;
    }
    *beside = name.data;
    return true;
}

void sg_store_discard(const char *beside)
{
    if (sg_is_dir(beside)) sg_folder_remove(beside);
}

/* --- the exchange --- */

static bool is_ours(const char *name)
{
    return strcmp(name, SG_STORE_DATA) == 0 || strcmp(name, SG_STORE_LOCK) == 0 ||
           strncmp(name, "search.", 7) == 0 || name[0] == '.';
}

/* The new file or folder gets the owner and mode of the old. */
static void resemble(const char *path, const char *like)
{
    struct stat st;
    if (stat(like, &st) != 0) return;
    if (chown(path, st.st_uid, st.st_gid) != 0) errno = 0; /* only root gives files away */
    if (chmod(path, st.st_mode & 07777) != 0) errno = 0;
}

/* What both have resembles the old; what only the old has, and is none of the store's, is the new one's too: it was put
 * there by someone. */
static bool carry_over(const char *from, const char *to, sg_error *err)
{
    char **names;
    size_t n;
    if (!sg_dir_list(&names, &n, from, err)) return false;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        char *a = NULL, *b = NULL;
        ok = sg_path_join(&a, from, names[i], err) && sg_path_join(&b, to, names[i], err);
        if (ok && sg_path_exists(b))
            resemble(b, a);
        else if (ok && !is_ours(names[i]) && !sg_is_dir(a) && link(a, b) != 0)
            ok = sg_fail_errno(err, errno, "%s: cannot be carried over", a);
        sg_free(a);
        sg_free(b);
    }
    sg_names_free(names, n);
    resemble(to, from);
    return ok;
}

bool sg_store_replace(sg_store *store, sg_store *by, sg_error *err)
{
    SG_ASSERT(store->writable && by->writable && !store->batch && !by->batch);
    char *parent = sg_strdup(store->dir);
    if (!parent) return sg_fail_memory(err, store->dir);
    *strrchr(parent, '/') = '\0';
    bool ok = carry_over(store->dir, by->dir, err) && sg_folder_sync(by->dir, err);
    if (ok && !exchange(by->dir, store->dir))
        ok = sg_fail_errno(err, errno, "%s: cannot be exchanged with %s", store->dir, by->dir);
    if (ok) {
        ok = sg_folder_sync(*parent ? parent : "/", err);
        sg_folder_remove(by->dir); /* the old one now */
    }
    sg_free(parent);
    return ok;
}
