#include <signet/file.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_NBYTES ((size_t)1 << 16) /* read at once where the size is not known */
#define WAIT_MS      250               /* an interrupt that comes just before a wait is seen after it */

/* Opens a regular file for reading; *size is its size now. O_NONBLOCK: a pipe must not keep us waiting. */
static bool open_regular(int *fd, size_t *size, const char *path, sg_error *err)
{
    struct stat st;
    *size = 0;
    *fd = -1;
    if (*path == '\0') return sg_fail(err, SG_ERR_IO, "an empty path");
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*fd < 0) return sg_fail_errno(err, errno, "%s: cannot open", path);
    if (fstat(*fd, &st) != 0) {
        sg_fail_errno(err, errno, "%s: cannot read", path);
    } else if (!S_ISREG(st.st_mode)) {
        sg_fail(err, SG_ERR_IO, "%s: %s", path,
                S_ISDIR(st.st_mode) ? "is a folder" : "is not a regular file");
    } else {
        *size = (size_t)st.st_size;
        return true;
    }
    close(*fd);
    *fd = -1;
    return false;
}

static bool fail_limit(const char *path, size_t max_nbytes, sg_error *err)
{
    return sg_fail(err, SG_ERR_LIMIT, "%s: larger than %zu bytes", path, max_nbytes);
}

/* read(2) that begins again after a signal, and waits where it can be interrupted. *got 0: the end. */
static bool read_some(size_t *got, int fd, void *bytes, size_t nbytes, const char *path, sg_error *err)
{
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = poll(&wait, 1, WAIT_MS);
        if (!sg_interrupt_check(err)) return false;
        if (ready < 0 && errno != EINTR) break;
        if (ready <= 0) continue;
        ssize_t count = read(fd, bytes, nbytes);
        if (count >= 0) {
            *got = (size_t)count;
            return true;
        }
        if (errno != EINTR && errno != EAGAIN) break;
    }
    return sg_fail_errno(err, errno, "%s: cannot read", path);
}

/* Reads to the end of fd, which is expected after `hint` bytes. */
static bool read_all(char **bytes, size_t *nbytes, int fd, size_t hint, size_t max_nbytes, const char *path,
                     sg_error *err)
{
    size_t cap = hint + 2, size = 0, got = 0; /* a byte for the NUL, one to see the end without growing */
    char *data = sg_alloc(cap, 1);
    if (!data) return sg_fail_memory(err, path);
    do {
        if (!sg_grow(&data, &cap, size + 2, 1)) {
            sg_fail_memory(err, path);
            goto fail;
        }
        if (!read_some(&got, fd, data + size, cap - size - 1, path, err)) goto fail;
        size += got;
        if (size > max_nbytes) {
            fail_limit(path, max_nbytes, err);
            goto fail;
        }
    } while (got > 0);
    data[size] = '\0';
    *bytes = data;
    *nbytes = size;
    return true;
fail:
    sg_free(data);
    return false;
}

bool sg_file_read(char **bytes, size_t *nbytes, const char *path, size_t max_nbytes, sg_error *err)
{
    int fd;
    size_t size;
    if (strcmp(path, "-") == 0)
        return read_all(bytes, nbytes, STDIN_FILENO, PIECE_NBYTES, max_nbytes, "standard input", err);
    if (!open_regular(&fd, &size, path, err)) return false;
    bool ok = size <= max_nbytes ? read_all(bytes, nbytes, fd, size, max_nbytes, path, err)
                                 : fail_limit(path, max_nbytes, err);
    close(fd);
    return ok;
}

bool sg_map_open(sg_map *map, const char *path, sg_error *err)
{
    int fd;
    size_t size;
    *map = (sg_map){NULL, 0};
    if (!open_regular(&fd, &size, path, err)) return false;
    void *data = size > 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    int errnum = errno;
    close(fd);
    if (data == MAP_FAILED) return sg_fail_errno(err, errnum, "%s: cannot map", path);
    *map = (sg_map){data, size};
    return true;
}

void sg_map_close(sg_map *map)
{
    if (map->data) munmap((void *)map->data, map->size);
    *map = (sg_map){NULL, 0};
}

bool sg_file_write(const char *path, const void *bytes, size_t nbytes, sg_error *err)
{
    sg_out *out;
    if (!sg_out_open(&out, path, err)) return false;
    if (sg_out_write(out, bytes, nbytes, err)) return sg_out_commit(out, err);
    sg_out_abort(out);
    return false;
}

bool sg_file_copy(const char *from, const char *to, sg_error *err)
{
    int fd;
    size_t size;
    sg_out *out = NULL;
    bool ok = false;
    if (!open_regular(&fd, &size, from, err)) return false;
    char *piece = sg_alloc(PIECE_NBYTES, 1);
    if (!piece) {
        sg_fail_memory(err, from);
        goto done;
    }
    if (!sg_out_open(&out, to, err)) goto done;
    do {
        if (!read_some(&size, fd, piece, PIECE_NBYTES, from, err) || !sg_out_write(out, piece, size, err))
            goto done;
    } while (size > 0);
    ok = sg_out_commit(out, err);
    out = NULL;
done:
    sg_out_abort(out);
    sg_free(piece);
    close(fd);
    return ok;
}
