/* Output files that appear whole or not at all, and the sweep of what dead writers left. */
#include <signet/file.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <signet/buf.h>
#include <signet/mem.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PENDING_MAX ((size_t)1 << 16) /* small writes are gathered up to here */
#define NAME_KEPT   200               /* bytes of the name that stand in the temporary's: NAME_MAX is 255 */
#define MARK        ".signet-"        /* .NAME.signet-PID-NUMBER.tmp */
#define ENDING      ".tmp"

struct sg_out {
    char *path;      /* where it will stand, symlinks resolved */
    char *temporary; /* beside it */
    int fd;          /* locked (flock) as long as the writer lives */
    int errnum;      /* of the first write that failed; sticky */
    sg_buf pending;
};

/* The file that `path` means, and the mode it has (mode_t)-1 when there is none yet. */
static bool resolve(char **target, mode_t *mode, const char *path, sg_error *err)
{
    struct stat st;
    char resolved[PATH_MAX];
    *mode = (mode_t)-1;
    if (*path == '\0') return sg_fail(err, SG_ERR_IO, "an empty path");
    if (lstat(path, &st) != 0) {
        if (errno != ENOENT) return sg_fail_errno(err, errno, "%s: cannot write", path);
    } else {
        if (S_ISLNK(st.st_mode)) {
            if (!realpath(path, resolved) || stat(resolved, &st) != 0)
                return sg_fail_errno(err, errno, "%s: cannot write", path);
            path = resolved;
        }
        if (S_ISDIR(st.st_mode)) return sg_fail(err, SG_ERR_IO, "%s: is a folder", path);
        if (!S_ISREG(st.st_mode)) return sg_fail(err, SG_ERR_IO, "%s: is not a regular file", path);
        if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0)
            return sg_fail_errno(err, errno, "%s: cannot write", path);
        *mode = st.st_mode & 07777;
    }
    if (*sg_path_base(path) == '\0') return sg_fail(err, SG_ERR_IO, "%s: is no name of a file", path);
    *target = sg_strdup(path);
    return *target ? true : sg_fail_memory(err, path);
}

/* Makes the temporary: out->temporary and out->fd. */
static bool create(sg_out *out, const char *path, sg_error *err)
{
    const char *base = sg_path_base(out->path);
    for (unsigned number = 0;; number++) {
        sg_buf name = SG_BUF_INIT;
        sg_buf_put(&name, out->path, (size_t)(base - out->path));
        sg_buf_printf(&name, ".%.*s" MARK "%ld-%u" ENDING, NAME_KEPT, base, (long)getpid(), number);
        if (!sg_buf_ok(&name)) {
            sg_buf_clear(&name);
            return sg_fail_memory(err, path);
        }
        out->fd = open(name.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (out->fd >= 0) {
            out->temporary = name.data;
            flock(out->fd, LOCK_EX | LOCK_NB);
            return true;
        }
        int errnum = errno;
        sg_buf_clear(&name);
        if (errnum != EEXIST) return sg_fail_errno(err, errnum, "%s: cannot write", path);
    }
}

bool sg_out_open(sg_out **result, const char *path, sg_error *err)
{
    mode_t mode;
    *result = NULL;
    sg_out *out = sg_calloc(1, sizeof *out);
    if (!out) return sg_fail_memory(err, path);
    out->fd = -1;
    if (!resolve(&out->path, &mode, path, err) || !create(out, path, err)) goto fail;
    if (mode != (mode_t)-1 && fchmod(out->fd, mode) != 0) {
        sg_fail_errno(err, errno, "%s: cannot write", path);
        goto fail;
    }
    *result = out;
    return true;
fail:
    sg_out_abort(out);
    return false;
}

static bool fail_write(sg_out *out, int errnum, sg_error *err)
{
    out->errnum = errnum;
    return sg_fail_errno(err, errnum, "%s: cannot write", out->path);
}

static bool write_all(sg_out *out, const char *bytes, size_t nbytes, sg_error *err)
{
    while (nbytes > 0) {
        ssize_t put = write(out->fd, bytes, nbytes);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return fail_write(out, errno, err);
        bytes += put;
        nbytes -= (size_t)put;
    }
    return true;
}

static bool flush(sg_out *out, sg_error *err)
{
    if (out->errnum) return fail_write(out, out->errnum, err);
    if (!sg_buf_ok(&out->pending)) {
        out->errnum = ENOMEM;
        return sg_fail_memory(err, out->path);
    }
    bool ok = write_all(out, out->pending.data, out->pending.size, err);
    out->pending.size = 0;
    return ok;
}

bool sg_out_write(sg_out *out, const void *bytes, size_t nbytes, sg_error *err)
{
    if (nbytes >= PENDING_MAX) return flush(out, err) && write_all(out, bytes, nbytes, err);
    sg_buf_put(&out->pending, bytes, nbytes);
    return sg_buf_ok(&out->pending) && out->pending.size < PENDING_MAX ? true : flush(out, err);
}

bool sg_out_printf(sg_out *out, sg_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sg_buf_vprintf(&out->pending, format, args);
    va_end(args);
    return sg_buf_ok(&out->pending) && out->pending.size < PENDING_MAX ? true : flush(out, err);
}

/* Makes the rename itself last: fsync of the folder. File systems that cannot say so (EINVAL). */
static bool sync_folder(const char *path, sg_error *err)
{
    char *folder = sg_strdup(path);
    if (!folder) return sg_fail_memory(err, path);
    *(char *)sg_path_base(folder) = '\0';
    int fd = open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    if (!ok) sg_fail_errno(err, errno, "%s: cannot sync the folder", path);
    if (fd >= 0) close(fd);
    sg_free(folder);
    return ok;
}

bool sg_out_commit(sg_out *out, sg_error *err)
{
    bool ok = flush(out, err);
    if (ok && fsync(out->fd) != 0) ok = fail_write(out, errno, err);
    if (ok && rename(out->temporary, out->path) != 0) ok = fail_write(out, errno, err);
    if (ok) {
        sg_free(out->temporary);
        out->temporary = NULL;
        ok = sync_folder(out->path, err);
    }
    sg_out_abort(out);
    return ok;
}

void sg_out_abort(sg_out *out)
{
    if (!out) return;
    if (out->temporary) unlink(out->temporary);
    if (out->fd >= 0) close(out->fd);
    sg_buf_clear(&out->pending);
    sg_free(out->temporary);
    sg_free(out->path);
    sg_free(out);
}

/* Is it the name of a temporary, and whose? */
static bool temporary_name(pid_t *writer, const char *name)
{
    long pid;
    unsigned number;
    int length = 0;
    const char *mark = NULL;
    for (const char *at = name; (at = strstr(at, MARK)); at++) mark = at;
    if (name[0] != '.' || !mark) return false;
    if (sscanf(mark, MARK "%9ld-%9u" ENDING "%n", &pid, &number, &length) != 2 || length == 0) return false;
    *writer = (pid_t)pid;
    return mark[length] == '\0' && pid > 0;
}

/* Gone: no such process, and nobody holds the lock (a process of another container has a pid of its own). */
static bool writer_gone(int folder, const char *name, pid_t writer)
{
    if (kill(writer, 0) == 0 || errno != ESRCH) return false;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    struct stat st;
    bool gone = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
                !(flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK);
    close(fd);
    return gone;
}

void sg_out_sweep(const char *folder)
{
    pid_t writer;
    DIR *dir = opendir(folder);
    if (!dir) return;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (temporary_name(&writer, entry->d_name) && writer_gone(dirfd(dir), entry->d_name, writer))
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
}
