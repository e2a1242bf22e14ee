/* The server's socket: made where nobody listens, and taken away again. */
#include "serve_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signet/mem.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 64

bool sg_socket_address(struct sockaddr_un *address, const char *path, sg_error *err)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (*path == '\0' || strlen(path) >= sizeof address->sun_path)
        return sg_fail(err, SG_ERR_USAGE, "%s: a socket's path has 1 to %zu bytes", path,
                       sizeof address->sun_path - 1);
    strcpy(address->sun_path, path);
    return true;
}

/* Of two servers that begin at once one must see the other's socket: they take turns by a lock on its folder. */
static bool lock_folder(int *folder, const char *path, sg_error *err)
{
    const char *slash = strrchr(path, '/');
    char name[sizeof((struct sockaddr_un *)0)->sun_path] = ".";
    if (slash) {
        size_t length = slash > path ? (size_t)(slash - path) : 1;
        memcpy(name, path, length);
        name[length] = '\0';
    }
    *folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*folder < 0) return sg_fail_errno(err, errno, "%s: cannot open", name);
    if (flock(*folder, LOCK_EX) == 0) return true;
    sg_fail_errno(err, errno, "%s: cannot lock", name);
    close(*folder);
    return false;
}

/* What stands there goes when it is a socket at which nobody listens. */
static bool clear_place(const struct sockaddr_un *address, sg_error *err)
{
    struct stat st;
    const char *path = address->sun_path;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? true : sg_fail_errno(err, errno, "%s: cannot look at it", path);
    if (!S_ISSOCK(st.st_mode)) return sg_fail(err, SG_ERR_IO, "%s: is there, and is no socket", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return sg_fail_errno(err, errno, "%s: cannot make a socket", path);
    bool dead = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
    close(fd);
    if (!dead) return sg_fail(err, SG_ERR_IO, "%s: another server listens there", path);
    return unlink(path) == 0 ? true : sg_fail_errno(err, errno, "%s: cannot remove", path);
}

static bool listen_at(sg_listener *l, const struct sockaddr_un *address, sg_error *err)
{
    struct stat st;
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0) return sg_fail_errno(err, errno, "%s: cannot make a socket", l->path);
    bool bound = false, ok = fchmod(l->fd, 0600) == 0; /* before there is a file: it is made with this mode */
    ok = ok && (bound = bind(l->fd, (const struct sockaddr *)address, sizeof *address) == 0);
    ok = ok && listen(l->fd, BACKLOG) == 0 && lstat(l->path, &st) == 0;
    if (ok) {
        l->device = st.st_dev;
        l->file = st.st_ino;
        return true;
    }
    sg_fail_errno(err, errno, "%s: cannot listen there", l->path);
    if (bound) unlink(l->path);
    close(l->fd);
    l->fd = -1;
    return false;
}

bool sg_listener_open(sg_listener *listener, const char *path, sg_error *err)
{
    struct sockaddr_un address;
    int folder;
    *listener = (sg_listener){.fd = -1, .path = path};
    if (!sg_socket_address(&address, path, err) || !lock_folder(&folder, path, err)) return false;
    bool ok = clear_place(&address, err) && listen_at(listener, &address, err);
    close(folder);
    return ok;
}

void sg_listener_close(sg_listener *listener)
{
    struct stat st;
    if (listener->fd < 0) return;
    if (lstat(listener->path, &st) == 0 && st.st_dev == listener->device && st.st_ino == listener->file)
        unlink(listener->path);
    close(listener->fd);
    listener->fd = -1;
}
