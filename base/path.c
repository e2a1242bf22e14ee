/* Paths as texts, and whether and as what they exist. */
#include <signet/file.h>

#include <errno.h>
#include <signet/buf.h>
#include <signet/mem.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool sg_path_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool sg_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool sg_path_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

const char *sg_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Hands over the built text, or fails. */
static bool give(char **out, sg_buf *buf, sg_error *err)
{
    if (sg_buf_ok(buf)) {
        *out = buf->data;
        return true;
    }
    sg_buf_clear(buf);
    return sg_fail_memory(err, "path");
}

bool sg_path_join(char **out, const char *a, const char *b, sg_error *err)
{
    sg_buf path = SG_BUF_INIT;
    size_t length = strlen(a);
    if (b[0] != '/' && length > 0) {
        sg_buf_put(&path, a, length);
        if (a[length - 1] != '/') sg_buf_puts(&path, "/");
    }
    sg_buf_printf(&path, "%s", b);
    if (!path.data && sg_buf_ok(&path)) return (*out = sg_strdup("")) ? true : sg_fail_memory(err, "path");
    return give(out, &path, err);
}

/* Puts the working folder: an absolute path. */
static bool put_working_folder(sg_buf *path, sg_error *err)
{
    size_t cap = 0;
    for (size_t need = 256;; need *= 2) {
        if (!sg_grow(&path->data, &cap, need, 1)) return sg_fail_memory(err, "path");
        path->cap = cap;
        if (getcwd(path->data, cap)) break;
        if (errno != ERANGE) return sg_fail_errno(err, errno, "the working folder");
    }
    path->size = strlen(path->data);
    return true;
}

/* Adds the parts of `path` to the absolute `out`, which has no slash at its end (the root is empty). */
static void put_parts(sg_buf *out, const char *path)
{
    while (*path) {
        path += strspn(path, "/");
        size_t n = strcspn(path, "/");
        if (n == 2 && memcmp(path, "..", 2) == 0) {
            while (out->size > 0 && out->data[--out->size] != '/') continue;
        } else if (n > 0 && !(n == 1 && *path == '.')) {
            sg_buf_puts(out, "/");
            sg_buf_put(out, path, n);
        }
        path += n;
    }
}

bool sg_path_absolute(char **out, const char *path, sg_error *err)
{
    sg_buf folder = SG_BUF_INIT, result = SG_BUF_INIT;
    bool ok = false;
    if (*path == '\0') return sg_fail(err, SG_ERR_USAGE, "an empty path");
    if (*path != '/') {
        if (!put_working_folder(&folder, err)) goto done;
        put_parts(&result, folder.data);
    }
    put_parts(&result, path);
    if (result.size == 0) sg_buf_puts(&result, "/");
    if (sg_buf_ok(&result)) result.data[result.size] = '\0';
    ok = give(out, &result, err);
done:
    sg_buf_clear(&folder);
    return ok;
}

bool sg_mkdirs(const char *path, sg_error *err)
{
    if (*path == '\0') return sg_fail(err, SG_ERR_USAGE, "an empty path");
    char *part = sg_strdup(path);
    if (!part) return sg_fail_memory(err, path);
    bool ok = true;
    for (char *end = part; ok && *end;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char after = *end;
        *end = '\0';
        /* A folder that is there may also refuse with EROFS or EACCES: what counts is that it is one. */
        if (mkdir(part, 0777) != 0) {
            int errnum = errno;
            if (!sg_is_dir(part))
                ok = sg_fail_errno(err, errnum == EEXIST ? ENOTDIR : errnum, "%s: cannot make the folder",
                                   part);
        }
        *end = after;
    }
    sg_free(part);
    return ok;
}
