/* The server: one thread, one loop. Reading and writing never wait for a client; requests are answered one at a time, a turn
 * a client, so that one with many does not hold up the others. */
#include "serve_impl.h"

#include <errno.h>
#include <poll.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <signet/progress.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX   256
#define PIECE_NBYTES  ((size_t)64 << 10) /* read from a client in its turn */
#define UNREAD_NBYTES ((size_t)16 << 20) /* answers that a client has not taken: above it, it is given up */
#define TOTAL_NBYTES                                                                                         \
    ((size_t)128 << 20)   /* of all clients' requests and answers; a small request is always taken */
#define WAIT_MS       250 /* an interrupt that comes to another thread than this one is seen after it */
#define PAUSE_SECONDS 0.5 /* without accepting, where the system has no room for a client */

typedef struct client {
    int fd;
    sg_buf in, out;
    size_t in_at, in_seen; /* where the next line begins; up to where no line ends */
    size_t out_at;         /* sent */
    bool skipping;         /* the rest of a line that is too long */
    bool ended;            /* no more requests come */
    bool gone;
} client;

typedef struct server {
    sg_searcher *searcher;
    const sg_serve_options *options;
    sg_listener listener;
    client clients[CLIENTS_MAX];
    size_t n, turn;
    double paused_until;
    unsigned replaced;
} server;

static void note(const server *s, const char *what)
{
    if (s->options->note) s->options->note(s->options->context, what);
}

/* --- buffers --- */

/* Drops the first *at bytes when that is worth moving the rest. */
static void shift(sg_buf *buf, size_t *at)
{
    if (*at == buf->size) {
        if (buf->cap > PIECE_NBYTES)
            sg_buf_clear(buf); /* what a large picture took is given back */
        else
            buf->size = 0;
        *at = 0;
    } else if (*at > buf->size / 2) {
        memmove(buf->data, buf->data + *at, buf->size - *at);
        buf->size -= *at;
        *at = 0;
    }
}

static size_t total_nbytes(const server *s)
{
    size_t total = 0;
    for (size_t i = 0; i < s->n; i++) total += s->clients[i].in.size + s->clients[i].out.size;
    return total;
}

/* The end of the next line, or NULL. What follows the last line's end is a line once no more comes. */
static const char *line_end(client *c)
{
    const char *data = c->in.data;
    if (c->in_seen < c->in.size) {
        const char *end = memchr(data + c->in_seen, '\n', c->in.size - c->in_seen);
        c->in_seen = end ? (size_t)(end - data) : c->in.size;
        if (end) return end;
    }
    return c->ended && c->in_at < c->in.size ? data + c->in.size : NULL;
}

static bool has_request(client *c)
{
    return !c->gone && line_end(c) != NULL;
}

static void put_failure(client *c, sg_code code, const char *what)
{
    sg_error why;
    sg_fail(&why, code, "%s", what);
    if (!sg_serve_error(&c->out, &why)) c->gone = true;
}

/* --- clients --- */

static void drop_client(server *s, size_t i)
{
    client *c = &s->clients[i];
    close(c->fd);
    sg_buf_clear(&c->in);
    sg_buf_clear(&c->out);
    *c = s->clients[--s->n];
}

static void accept_clients(server *s)
{
    while (s->n < CLIENTS_MAX) {
        int fd = accept4(s->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
                s->paused_until = sg_now_seconds() + PAUSE_SECONDS;
                note(s, "no room for another client now");
            }
            return;
        }
        s->clients[s->n++] = (client){.fd = fd};
    }
}

/* Drops what has come of a line, to its end if that is there. */
static void skip_line(client *c)
{
    const char *end = line_end(c);
    c->skipping = !end;
    c->in_at = end ? (size_t)(end - c->in.data) + (*end == '\n') : c->in.size;
    shift(&c->in, &c->in_at);
    c->in_seen = c->in_at;
}

static void fail_long(client *c)
{
    char what[64];
    snprintf(what, sizeof what, "a line of more than %zu bytes", SG_REQUEST_NBYTES);
    put_failure(c, SG_ERR_LIMIT, what);
}

static void receive(server *s, client *c)
{
    char bytes[PIECE_NBYTES];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0) {
        c->gone = errno != EAGAIN && errno != EINTR;
        return;
    }
    if (n == 0) {
        c->ended = true;
    } else if (c->in.size + (size_t)n > PIECE_NBYTES && total_nbytes(s) + (size_t)n > TOTAL_NBYTES) {
        put_failure(c, SG_ERR_LIMIT, "the server holds too many requests and answers now");
        c->ended = true;
        c->in_at = c->in_seen = c->in.size;
        return;
    }
    sg_buf_put(&c->in, bytes, (size_t)n);
    if (!sg_buf_ok(&c->in)) {
        c->gone = true;
        return;
    }
    if (c->skipping) skip_line(c);
    if (!c->skipping && !line_end(c) && c->in.size - c->in_at > SG_REQUEST_NBYTES) {
        fail_long(c);
        skip_line(c);
    }
}

static void deliver(client *c)
{
    while (c->out_at < c->out.size) {
        ssize_t n =
            send(c->fd, c->out.data + c->out_at, c->out.size - c->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            c->gone = errno != EAGAIN && errno != EINTR;
            break;
        }
        c->out_at += (size_t)n;
    }
    shift(&c->out, &c->out_at);
}

/* --- answering --- */

static void answer_next(server *s, client *c)
{
    const char *line = c->in.data + c->in_at;
    size_t nbytes = (size_t)(line_end(c) - line);
    bool blank = nbytes == 0 || (nbytes == 1 && *line == '\r');
    if (c->out.size - c->out_at > UNREAD_NBYTES) {
        note(s, "a client that does not read its answers is given up");
        c->gone = true;
        return;
    }
    if (nbytes > SG_REQUEST_NBYTES)
        fail_long(c);
    else if (!blank && !sg_serve_line(&c->out, s->searcher, &s->options->ask, line, nbytes))
        c->gone = true;
    skip_line(c);
    if (s->replaced != sg_searcher_replaced(s->searcher)) {
        s->replaced = sg_searcher_replaced(s->searcher);
        note(s, "the index was replaced by another: opened again");
    }
    if (!c->gone) deliver(c);
}

/* The next in turn of those that ask for something; NULL: nobody does. */
static client *next_client(server *s)
{
    for (size_t i = 0; i < s->n; i++) {
        client *c = &s->clients[(s->turn + i) % s->n];
        if (!has_request(c)) continue;
        s->turn = (s->turn + i + 1) % s->n;
        return c;
    }
    return NULL;
}

/* --- the loop --- */

/* Who is waited for: clients that may send (one request at a time is taken from each, the rest stays in the system's
 * buffers and makes the client wait) or take something, and, last, new ones. */
static nfds_t gather(struct pollfd *fds, server *s)
{
    for (size_t i = 0; i < s->n; i++) {
        client *c = &s->clients[i];
        short events = c->ended || has_request(c) ? 0 : POLLIN;
        if (c->out_at < c->out.size) events |= POLLOUT;
        fds[i] = (struct pollfd){.fd = c->fd, .events = events};
    }
    bool open = s->n < CLIENTS_MAX && sg_now_seconds() >= s->paused_until;
    fds[s->n] = (struct pollfd){.fd = s->listener.fd, .events = open ? POLLIN : 0};
    return s->n + 1;
}

static void exchange(server *s, const struct pollfd *fds)
{
    const size_t n = s->n;
    for (size_t i = 0; i < n; i++) {
        client *c = &s->clients[i];
        if (fds[i].revents & POLLOUT) deliver(c);
        if (fds[i].revents & POLLIN) receive(s, c);
        /* The other end is closed both ways: nobody will read an answer. */
        if (fds[i].revents & (POLLERR | POLLNVAL) || (fds[i].revents & POLLHUP && !(fds[i].revents & POLLIN)))
            c->gone = true;
    }
    if (fds[n].revents & POLLIN) accept_clients(s);
    for (size_t i = s->n; i-- > 0;) {
        client *c = &s->clients[i];
        if (c->gone || (c->ended && !has_request(c) && c->out_at == c->out.size)) drop_client(s, i);
    }
}

static bool serve(server *s, sg_error *err)
{
    struct pollfd fds[CLIENTS_MAX + 1];
    while (!sg_interrupted()) {
        client *next = next_client(s);
        if (next) answer_next(s, next);
        bool more = false;
        for (size_t i = 0; i < s->n && !more; i++) more = has_request(&s->clients[i]) || s->clients[i].gone;
        nfds_t nfds = gather(fds, s);
        int ready = poll(fds, nfds, more ? 0 : WAIT_MS);
        if (ready < 0 && errno != EINTR)
            return sg_fail_errno(err, errno, "%s: cannot wait", s->listener.path);
        if (ready < 0) continue;
        exchange(s, fds);
    }
    return true;
}

bool sg_serve(sg_searcher *searcher, const char *path, const sg_serve_options *options, sg_error *err)
{
    server *s = sg_calloc(1, sizeof *s);
    if (!s) return sg_fail_memory(err, "server");
    s->searcher = searcher;
    s->options = options;
    s->replaced = sg_searcher_replaced(searcher);
    bool ok = sg_listener_open(&s->listener, path, err);
    if (ok) {
        note(s, "listens");
        ok = serve(s, err);
        sg_listener_close(&s->listener);
    }
    while (s->n > 0) drop_client(s, s->n - 1);
    sg_free(s);
    return ok;
}
