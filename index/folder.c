#include "folder_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <signet/buf.h>
#include <signet/file.h>
#include <signet/mem.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK   ".signet-" /* .NAME.signet-PID.tmp */
#define ENDING ".tmp"

void sg_folder_remove(const char *path)
{
    const struct dirent *entry;
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir))) unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir) closedir(dir);
    rmdir(path);
}

/* The folder that holds `path`, which is absolute. */
static char *parent_of(const char *path)
{
    char *parent = sg_strdup(path);
    if (parent) {
        char *slash = strrchr(parent, '/');
        slash[slash == parent] = '\0';
    }
    return parent;
}

static bool left_by_the_dead(const char *name, const char *base)
{
    size_t n = strlen(base);
    char ending[8] = "";
    long pid;
    return name[0] == '.' && strncmp(name + 1, base, n) == 0 &&
           sscanf(name + 1 + n, MARK "%9ld%7s", &pid, ending) == 2 && strcmp(ending, ENDING) == 0 &&
           pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

static void sweep(const char *parent, const char *base)
{
    char **names, *path;
    size_t n;
    if (!sg_dir_list(&names, &n, parent, NULL)) return;
    for (size_t i = 0; i < n; i++)
        if (left_by_the_dead(names[i], base) && sg_path_join(&path, parent, names[i], NULL)) {
            if (sg_is_dir(path)) sg_folder_remove(path);
            sg_free(path);
        }
    sg_names_free(names, n);
}

/* folder->path: the absolute name of what is to be made, symlinks resolved. */
static bool check_free(sg_folder *folder, const char *path, sg_error *err)
{
    struct stat st;
    char resolved[PATH_MAX], **names;
    size_t n = 0;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? sg_path_absolute(&folder->path, path, err)
                               : sg_fail_errno(err, errno, "%s: cannot make the folder", path);
    if (!realpath(path, resolved)) return sg_fail_errno(err, errno, "%s: cannot make the folder", path);
    if (!sg_is_dir(resolved)) return sg_fail(err, SG_ERR_IO, "%s: exists and is no folder", path);
    if (!sg_dir_list(&names, &n, resolved, err)) return false;
    sg_names_free(names, n);
    if (n > 0) return sg_fail(err, SG_ERR_IO, "%s: exists and is not empty", path);
    return sg_path_absolute(&folder->path, resolved, err);
}

bool sg_folder_begin(sg_folder *folder, const char *path, sg_error *err)
{
    sg_buf name = SG_BUF_INIT;
    char *parent = NULL;
    bool ok = false;
    *folder = (sg_folder){NULL, NULL};
    if (!check_free(folder, path, err)) goto done;
    parent = parent_of(folder->path);
    const char *base = sg_path_base(folder->path);
    sg_buf_printf(&name, "%s/.%s" MARK "%ld" ENDING, parent ? parent : "", base, (long)getpid());
    if (!parent || !sg_buf_ok(&name)) {
        sg_fail_memory(err, path);
        goto done;
    }
    sweep(parent, base);
    folder->temporary = sg_strdup(sg_buf_text(&name));
    ok = folder->temporary ? true : sg_fail_memory(err, path);
    if (ok && mkdir(folder->temporary, 0777) != 0) {
        ok = sg_fail_errno(err, errno, "%s: cannot make the folder", path);
        sg_free(folder->temporary);
        folder->temporary = NULL;
    }
done:
    if (!ok) sg_folder_abort(folder);
    sg_buf_clear(&name);
    sg_free(parent);
    return ok;
}

bool sg_folder_sync(const char *path, sg_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL); /* some file systems cannot: EINVAL */
    if (!ok) sg_fail_errno(err, errno, "%s: cannot sync the folder", path);
    if (fd >= 0) close(fd);
    return ok;
}

bool sg_folder_commit(sg_folder *folder, sg_error *err)
{
    char *parent = parent_of(folder->path);
    bool ok = parent ? sg_folder_sync(folder->temporary, err) : sg_fail_memory(err, folder->path);
    if (ok && rename(folder->temporary, folder->path) != 0)
        ok = sg_fail_errno(err, errno, "%s: cannot make the folder", folder->path);
    if (ok) {
        sg_free(folder->temporary);
        folder->temporary = NULL;
        ok = sg_folder_sync(parent, err);
    }
    sg_free(parent);
    sg_folder_abort(folder);
    return ok;
}

void sg_folder_abort(sg_folder *folder)
{
    if (folder->temporary) sg_folder_remove(folder->temporary);
    sg_free(folder->temporary);
    sg_free(folder->path);
    *folder = (sg_folder){NULL, NULL};
}
