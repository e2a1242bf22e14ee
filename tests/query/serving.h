/* For tests of the server: it runs in a thread, its clients are here. One thread an encoder: OpenMP's pool is not mixed with
 * ours. */
#ifndef SIGNET_TESTS_SERVING_H
#define SIGNET_TESTS_SERVING_H

#include "album.h"

#include <poll.h>
#include <pthread.h>
#include <signet/buf.h>
#include <signet/interrupt.h>
#include <signet/serve.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SOCKET "server.socket"
#define WAIT   120000 /* ms, at most, for anything */

typedef struct running {
    pthread_t thread;
    sg_searcher *searcher;
    sg_error err;
    bool ok;
    pthread_mutex_t lock;
    sg_buf notes;
} running;

static inline void take_note(void *context, const char *what)
{
    running *r = context;
    pthread_mutex_lock(&r->lock);
    sg_buf_printf(&r->notes, "%s\n", what);
    pthread_mutex_unlock(&r->lock);
}

static inline bool was_noted(running *r, const char *what)
{
    pthread_mutex_lock(&r->lock);
    bool found = strstr(sg_buf_text(&r->notes), what) != NULL;
    pthread_mutex_unlock(&r->lock);
    return found;
}

static inline void *run_server(void *context)
{
    running *r = context;
    const sg_serve_options options = {.ask = {.k = 3, .radius = -1}, .note = take_note, .context = r};
    r->ok = sg_serve(r->searcher, SOCKET, &options, &r->err);
    return NULL;
}

/* Returns when it listens. */
static inline void start(running *r)
{
    sg_error err = {0};
    *r = (running){.lock = PTHREAD_MUTEX_INITIALIZER};
    sg_interrupt_set(false);
    if (!sg_searcher_open(&r->searcher, "idx", SG_INDEX_ENCODE, 1, &err)) fail_msg("%s", err.message);
    assert_int_equal(pthread_create(&r->thread, NULL, run_server, r), 0);
    for (int ms = 0; !was_noted(r, "listens"); ms++) {
        assert_true(ms < WAIT);
        usleep(1000);
    }
}

static inline void stop(running *r)
{
    sg_interrupt_set(true);
    pthread_join(r->thread, NULL);
    sg_interrupt_set(false);
    if (!r->ok) fail_msg("%s", r->err.message);
    assert_int_equal(access(SOCKET, F_OK), -1); /* it has taken its socket away */
    sg_buf_clear(&r->notes);
    sg_searcher_free(r->searcher);
}

static inline int raw_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static inline void raw_send(int fd, const char *bytes, size_t n)
{
    for (size_t sent = 0; sent < n;) {
        ssize_t now = send(fd, bytes + sent, n - sent, MSG_NOSIGNAL);
        assert_true(now > 0);
        sent += (size_t)now;
    }
}

static inline void raw_say(int fd, const char *text)
{
    raw_send(fd, text, strlen(text));
}

/* One line; false at the connection's end. */
static inline bool raw_line(char *line, size_t size, int fd)
{
    size_t n = 0;
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, WAIT), 1);
        char c;
        ssize_t got = recv(fd, &c, 1, 0);
        if (got <= 0) return false;
        if (c == '\n') break;
        assert_true(n + 1 < size);
        line[n++] = c;
    }
    line[n] = '\0';
    return true;
}

/* An index of pictures 0 to n - 1, pictures/N.png, by one thread. */
static inline void make_pictures(int n)
{
    char path[64];
    make_index();
    make_folder("pictures");
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "pictures/%03d.png", i);
        put_picture(path, (uint64_t)i);
    }
    assert_int_equal(add_path("pictures", NULL).added, n);
}

static inline char *text_of(const sg_answer *answer)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_true(sg_answer_json(out, answer, NULL));
    fclose(out);
    return text;
}

/* The answer's JSON by a searcher of its own; nobody else may have the index open. The caller's (free). */
static inline char *own_answer(const char *path, uint64_t id, const sg_ask *ask)
{
    sg_error err = {0};
    sg_searcher *searcher;
    sg_answer answer;
    assert_true(sg_searcher_open(&searcher, "idx", SG_INDEX_ENCODE, 1, &err));
    bool ok = path ? sg_searcher_image(&answer, searcher, path, ask, &err)
                   : sg_searcher_item(&answer, searcher, id, ask, &err);
    if (!ok) fail_msg("%s", err.message);
    char *text = text_of(&answer);
    sg_answer_clear(&answer);
    sg_searcher_free(searcher);
    return text;
}

#endif
