/* Asking a server: a line there, a line back. */
#include "picture_impl.h"
#include "serve_impl.h"

#include <errno.h>
#include <poll.h>
#include <signet/file.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE_NBYTES      ((size_t)64 << 10)
#define WAIT_MS           250 /* an interrupt that comes just before a wait is seen after it */
#define ANSWER_NBYTES_MAX ((size_t)1 << 30)
#define STDIN_NBYTES                                                                                         \
    (SG_REQUEST_NBYTES / 4 * 3 - PIECE_NBYTES) /* fits a request as base64, with what else is asked */

struct sg_client {
    int fd;
    char *path; /* of the socket */
    sg_buf in;
};

bool sg_client_open(sg_client **result, const char *path, sg_error *err)
{
    struct sockaddr_un address;
    *result = NULL;
    if (!sg_socket_address(&address, path, err)) return false;
    sg_client *c = sg_calloc(1, sizeof *c);
    if (!c) return sg_fail_memory(err, path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->path = sg_strdup(path);
    bool ok = c->path ? true : sg_fail_memory(err, path);
    if (ok && (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&address, sizeof address) != 0))
        ok = sg_fail_errno(err, errno, "%s: no server listens there", path);
    if (ok)
        *result = c;
    else
        sg_client_close(c);
    return ok;
}

void sg_client_close(sg_client *client)
{
    if (!client) return;
    if (client->fd >= 0) close(client->fd);
    sg_buf_clear(&client->in);
    sg_free(client->path);
    sg_free(client);
}

/* Waits where it can be interrupted. */
static bool wait_for(sg_client *c, short events, sg_error *err)
{
    struct pollfd fd = {.fd = c->fd, .events = events};
    int ready = poll(&fd, 1, WAIT_MS);
    if (!sg_interrupt_check(err)) return false;
    return ready >= 0 || errno == EINTR || sg_fail_errno(err, errno, "%s: cannot wait", c->path);
}

/* A server that gives its client up may have said why: that is looked for before a failed write is told. */
static bool send_all(sg_client *c, const char *bytes, size_t nbytes, sg_error *err)
{
    for (size_t sent = 0; sent < nbytes;) {
        if (!wait_for(c, POLLOUT, err)) return false;
        ssize_t n = send(c->fd, bytes + sent, nbytes - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            sent += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR)
            return errno == EPIPE || errno == ECONNRESET ||
                   sg_fail_errno(err, errno, "%s: cannot ask", c->path);
    }
    return true;
}

/* c->in becomes one line without its end. */
static bool receive_line(sg_client *c, sg_error *err)
{
    char piece[PIECE_NBYTES];
    c->in.size = 0;
    for (;;) {
        if (!wait_for(c, POLLIN, err)) return false;
        ssize_t n = recv(c->fd, piece, sizeof piece, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (n < 0 && errno != ECONNRESET)
            return sg_fail_errno(err, errno, "%s: cannot read an answer", c->path);
        if (n <= 0) return sg_fail(err, SG_ERR_IO, "%s: the server has gone", c->path);
        sg_buf_put(&c->in, piece, (size_t)n);
        if (!sg_buf_ok(&c->in)) return sg_fail_memory(err, "answer");
        if (c->in.size > ANSWER_NBYTES_MAX)
            return sg_fail(err, SG_ERR_LIMIT, "%s: an endless answer", c->path);
        if (c->in.data[c->in.size - 1] == '\n') break; /* one request, one line: nothing follows it */
    }
    c->in.size--;
    return true;
}

bool sg_client_ask(sg_answer *answer, sg_client *client, const sg_request *request, sg_error *err)
{
    char *line;
    *answer = (sg_answer){0};
    if (!sg_request_print(&line, request, err)) return false;
    size_t nbytes = strlen(line);
    line[nbytes] = '\n'; /* in the place of its NUL */
    bool ok = nbytes < SG_REQUEST_NBYTES ||
              sg_fail(err, SG_ERR_LIMIT, "a request of more than %zu bytes", SG_REQUEST_NBYTES);
    ok = ok && send_all(client, line, nbytes + 1, err) && receive_line(client, err);
    sg_free(line);
    return ok && sg_answer_parse(answer, client->in.data, client->in.size, err);
}

/* Standard input goes with the request, a file is named in it. */
static bool name_picture(sg_request *r, const char *path, sg_error *err)
{
    char *bytes;
    size_t nbytes;
    r->path = NULL;
    r->bytes = (sg_buf)SG_BUF_INIT;
    if (strcmp(path, "-") != 0) return sg_path_absolute(&r->path, path, err);
    if (!sg_file_read(&bytes, &nbytes, path, STDIN_NBYTES, err)) return false;
    sg_buf_put(&r->bytes, bytes, nbytes);
    sg_free(bytes);
    if (!sg_buf_ok(&r->bytes)) return sg_fail_memory(err, path);
    return nbytes > 0 ? true : sg_fail(err, SG_ERR_FORMAT, "%s: is empty", path);
}

/* What is wrong with the file, or what the server finds wrong with it, is told; what is wrong with the server ends it. */
static bool ask_file(sg_client *client, const sg_query_file *file, const sg_request *request,
                     const sg_query_visit *visit, sg_error *err)
{
    sg_request r = *request; /* whose where and tag are borrowed */
    sg_answer answer = {0};
    sg_error why = {SG_OK, ""};
    bool image = true, ok;
    r.path = NULL;
    r.bytes = (sg_buf)SG_BUF_INIT;
    bool named = (file->named || sg_picture_has_signature(&image, file->path, &why)) &&
                 (!image || name_picture(&r, file->path, &why));
    if (named && !image) return true;
    if (named && sg_client_ask(&answer, client, &r, &why)) {
        sg_free(answer.query);
        answer.query = sg_strdup(file->path); /* as given, not as it was sent */
        ok = answer.query ? visit->answer(visit->context, &answer, err) : sg_fail_memory(err, file->path);
    } else if (!named || why.code == SG_ERR_FORMAT) {
        ok = visit->broken(visit->context, &why, err);
    } else {
        ok = sg_fail(err, why.code, "%s", why.message);
    }
    sg_answer_clear(&answer);
    sg_free(r.path);
    sg_buf_clear(&r.bytes);
    return ok;
}

bool sg_client_files(sg_client *client, const sg_query_file *files, size_t n, const sg_request *request,
                     const sg_query_visit *visit, sg_error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) ok = ask_file(client, &files[i], request, visit, err);
    return ok;
}
