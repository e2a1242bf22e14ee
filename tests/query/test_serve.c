#include "serving.h"

#include <errno.h>
#include <sys/resource.h>

static void test_answers(void **state)
{
    (void)state;
    running r;
    char line[4096], path[4096], request[3 * 4096];
    make_pictures(20);
    put_picture("query.jpg", 1000);
    const sg_ask three = {.k = 3, .radius = -1}, near = {.k = 0, .radius = 9}, item = {.k = 4, .radius = -1};
    assert_non_null(realpath("query.jpg", path));
    char *wants[] = {own_answer(path, 0, &three), own_answer(path, 0, &near), own_answer(NULL, 5, &item)};
    start(&r);
    struct stat st;
    assert_int_equal(stat(SOCKET, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    int fd = raw_connect();
    snprintf(request, sizeof request,
             "{\"image\":\"%s\"}\n\n\r\n{\"image\":\"%s\",\"radius\":9}\r\n{\"id\":5,\"k\":4}\n", path, path);
    raw_say(fd, request); /* three at once, with blank lines between */
    for (int i = 0; i < 3; i++) {
        assert_true(raw_line(line, sizeof line, fd));
        wants[i][strlen(wants[i]) - 1] = '\0';
        assert_string_equal(line, wants[i]);
        free(wants[i]);
    }
    /* By bytes: the same but for the name. The last line needs no end when nothing follows. */
    char *bytes;
    size_t n;
    sg_buf text = SG_BUF_INIT;
    assert_true(sg_file_read(&bytes, &n, "query.jpg", SIZE_MAX, NULL));
    sg_buf_puts(&text, "{\"request\":\"b\",\"image_base64\":\"");
    sg_buf_put_base64(&text, bytes, n);
    sg_buf_puts(&text, "\"}");
    raw_send(fd, text.data, text.size);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_true(raw_line(request, sizeof request, fd));
    assert_memory_equal(request, "{\"query\":null,\"code\":\"", 22);
    assert_non_null(strstr(request, ",\"request\":\"b\"}"));
    assert_false(raw_line(request, sizeof request, fd));
    close(fd);
    sg_buf_clear(&text);
    sg_free(bytes);
    stop(&r);
}

static void test_errors_are_lines(void **state)
{
    (void)state;
    running r;
    char line[4096];
    make_pictures(3);
    scratch_put("text", "no image", 8);
    start(&r);
    int fd = raw_connect();
    static const char *const bad[] = {"{",
                                      "{}",
                                      "[1,2]",
                                      "nonsense",
                                      "{\"id\":99}",
                                      "{\"code\":\"ff\"}",
                                      "{\"image\":\"/absent\"}",
                                      "{\"image\":\"/\"}",
                                      "{\"image\":\"text\"}",
                                      "{\"image_base64\":\"Zm9v\"}",
                                      "{\"image\":\"/dev/zero\"}",
                                      "\"\\ud800\"",
                                      "{\"id\":1,\"where\":[3]}",
                                      "\x01\x02\xff",
                                      "-"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        raw_say(fd, bad[i]);
        raw_say(fd, "\n");
        assert_true(raw_line(line, sizeof line, fd));
        if (strncmp(line, "{\"error\":\"", 10) != 0) fail_msg("to %s: %s", bad[i], line);
    }
    raw_send(fd, "a\0b\n", 4);
    assert_true(raw_line(line, sizeof line, fd));
    assert_memory_equal(line, "{\"error\":\"", 10);
    raw_say(fd, "{\"id\":0,\"request\":\"7\"}\n");
    assert_true(raw_line(line, sizeof line, fd));
    assert_non_null(strstr(line, ",\"request\":\"7\"}"));
    raw_say(fd, "{\"id\":1}\n"); /* and the connection goes on */
    assert_true(raw_line(line, sizeof line, fd));
    assert_memory_equal(line, "{\"query\":null,\"query_id\":1,", 27);
    close(fd);
    stop(&r);
}

static void test_long_lines(void **state)
{
    (void)state;
    running r;
    char line[4096];
    make_pictures(3);
    start(&r);
    size_t n = SG_REQUEST_NBYTES + 3 * 65536;
    char *junk = malloc(n);
    memset(junk, 'x', n);
    int fd = raw_connect();
    raw_send(fd, junk, n);
    assert_true(raw_line(line, sizeof line, fd)); /* told before its end has come */
    assert_memory_equal(line, "{\"error\":\"a line of more than", 29);
    raw_send(fd, junk, n); /* it still goes on */
    raw_say(fd, "\n{\"id\":1}\n");
    assert_true(raw_line(line, sizeof line, fd));
    assert_memory_equal(line, "{\"query\":null,\"query_id\":1,", 27);
    raw_send(fd, junk, n);
    close(fd); /* and one that never ends */
    fd = raw_connect();
    raw_say(fd, "{\"id\":2}\n");
    assert_true(raw_line(line, sizeof line, fd));
    close(fd);
    free(junk);
    stop(&r);
}

/* Clients that send half a request, that do not read, that vanish: the others have their answers. */
static void test_bad_clients(void **state)
{
    (void)state;
    running r;
    enum { IDLE = 20, GREEDY = 400000 };
    char line[4096];
    int idle[IDLE];
    make_pictures(40);
    start(&r);
    for (int i = 0; i < IDLE; i++) {
        idle[i] = raw_connect();
        raw_say(idle[i], "{\"id\"");
    }
    int greedy = raw_connect(); /* asks and never reads */
    size_t asked = 0;
    while (asked < GREEDY && !was_noted(&r, "does not read its answers")) {
        static const char ask[] = "{\"id\":1,\"k\":40}\n";
        ssize_t sent = send(greedy, ask, sizeof ask - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) break;
        if (sent < 0) usleep(1000);
        if (sent > 0 && (size_t)sent < sizeof ask - 1)
            raw_send(greedy, ask + sent, sizeof ask - 1 - (size_t)sent);
        asked += sent > 0;
        if (asked % 1000 == 1 && sent > 0) {
            int fd = raw_connect();
            raw_say(fd, "{\"id\":3,\"k\":1}\n");
            assert_true(raw_line(line, sizeof line, fd));
            close(fd);
        }
    }
    assert_true(was_noted(&r, "does not read its answers"));
    close(greedy);
    for (int i = 0; i < IDLE; i++) {
        if (i % 2 == 0) { /* half a request, then away */
            close(idle[i]);
            continue;
        }
        raw_say(idle[i], ":2,\"k\":1}\n{\"id\":3");
        assert_true(raw_line(line, sizeof line, idle[i]));
        assert_memory_equal(line, "{\"query\":null,\"query_id\":2,", 27);
        close(idle[i]);
    }
    for (int i = 0; i < 50; i++) { /* asks, and is gone before the answer */
        int fd = raw_connect();
        raw_say(fd, "{\"id\":1}\n{\"id\":2}\n{\"image\":\"pictures/000.png\"}\n");
        close(fd);
    }
    int fd = raw_connect();
    raw_say(fd, "{\"id\":1}\n");
    assert_true(raw_line(line, sizeof line, fd));
    close(fd);
    stop(&r);
}

/* More clients than there are places for, and more than the system has room for: they wait. */
static void test_places(void **state)
{
    (void)state;
    enum { PLACES = 256, MORE = 5, FULL = 600 };
    running r;
    char line[4096];
    int fds[PLACES + MORE], full[FULL], nfull = 0;
    make_pictures(3);
    start(&r);
    for (int i = 0; i < PLACES + MORE; i++) fds[i] = raw_connect();
    raw_say(fds[PLACES - 1], "{\"id\":1}\n");
    assert_true(raw_line(line, sizeof line, fds[PLACES - 1]));
    raw_say(fds[PLACES + MORE - 1], "{\"id\":2}\n");
    struct pollfd wait = {.fd = fds[PLACES + MORE - 1], .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 100), 0);
    for (int i = 0; i < MORE; i++) close(fds[i]);
    assert_true(raw_line(line, sizeof line, fds[PLACES + MORE - 1]));
    for (int i = MORE; i < PLACES + MORE; i++) { /* until the server has closed its end too */
        assert_int_equal(shutdown(fds[i], SHUT_WR), 0);
        assert_false(raw_line(line, sizeof line, fds[i]));
        close(fds[i]);
    }
    int late = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};
    struct rlimit usual, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    few = usual;
    few.rlim_cur = FULL;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (nfull < FULL && (full[nfull] = dup(late)) >= 0) nfull++;
    assert_int_equal(errno, EMFILE);
    assert_int_equal(connect(late, (struct sockaddr *)&address, sizeof address), 0);
    for (int ms = 0; !was_noted(&r, "no room for another client"); ms++) {
        assert_true(ms < WAIT);
        usleep(1000);
    }
    while (nfull > 0) close(full[--nfull]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    raw_say(late, "{\"id\":1}\n");
    assert_true(raw_line(line, sizeof line, late));
    close(late);
    stop(&r);
}

/* Clients that fill the server's memory with requests that do not end. */
static void test_memory_is_bounded(void **state)
{
    (void)state;
    enum { N = 10 };
    running r;
    char line[4096];
    int fds[N], refused = 0;
    const size_t most = SG_REQUEST_NBYTES - 65536;
    make_pictures(3);
    start(&r);
    char *junk = malloc(most);
    memset(junk, 'x', most);
    for (int i = 0; i < N; i++) {
        fds[i] = raw_connect();
        for (size_t sent = 0; sent < most;) { /* the server may end it */
            ssize_t n = send(fds[i], junk + sent, most - sent, MSG_NOSIGNAL);
            if (n <= 0) break;
            sent += (size_t)n;
        }
    }
    int fd = raw_connect(); /* a small request is answered all the same */
    raw_say(fd, "{\"id\":1}\n");
    assert_true(raw_line(line, sizeof line, fd));
    assert_memory_equal(line, "{\"query\":null,\"query_id\":1,", 27);
    close(fd);
    for (int i = 0; i < N; i++) {
        struct pollfd wait = {.fd = fds[i], .events = POLLIN};
        if (poll(&wait, 1, 0) == 1 && raw_line(line, sizeof line, fds[i])) {
            assert_memory_equal(line, "{\"error\":\"the server holds too many", 35);
            refused++;
        }
        close(fds[i]);
    }
    assert_in_range(refused, 1, N - 7); /* seven of them have room */
    free(junk);
    stop(&r);
}

/* --- many at once --- */

typedef struct asker {
    pthread_t thread;
    const char *want;
    bool ok;
} asker;

static void *ask_often(void *context)
{
    enum { TIMES = 25 };
    asker *a = context;
    sg_client *client;
    sg_request request = SG_REQUEST_INIT;
    request.path = (char *)"pictures/007.png";
    a->ok = sg_client_open(&client, SOCKET, NULL);
    for (int i = 0; a->ok && i < TIMES; i++) {
        sg_answer answer;
        a->ok = sg_client_ask(&answer, client, &request, NULL);
        if (!a->ok) break;
        char *text = text_of(&answer);
        a->ok = strcmp(text, a->want) == 0;
        free(text);
        sg_answer_clear(&answer);
    }
    sg_client_close(client);
    return NULL;
}

static void test_many_clients(void **state)
{
    (void)state;
    enum { N = 12 };
    running r;
    asker askers[N];
    const sg_ask three = {.k = 3, .radius = -1};
    make_pictures(30);
    char *want = own_answer("pictures/007.png", 0, &three);
    start(&r);
    for (int i = 0; i < N; i++) {
        askers[i] = (asker){.want = want};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_often, &askers[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_true(askers[i].ok);
    }
    free(want);
    stop(&r);
}

/* --- sockets --- */

static const sg_serve_options three_nearest = {.ask = {.k = 3, .radius = -1}};

/* Ends as soon as it has begun; so would any other server of this process. */
static bool serve_once(const char *path, sg_searcher *searcher, sg_error *err)
{
    sg_interrupt_set(true);
    bool ok = sg_serve(searcher, path, &three_nearest, err);
    sg_interrupt_set(false);
    return ok;
}

static void test_sockets(void **state)
{
    (void)state;
    running r;
    sg_error err = {0};
    char longer[200];
    make_pictures(3);
    start(&r);
    assert_false(sg_serve(r.searcher, SOCKET, &three_nearest, &err)); /* one that lives is left alone */
    assert_int_equal(err.code, SG_ERR_IO);
    assert_non_null(strstr(err.message, "another server listens there"));
    int fd = raw_connect();
    close(fd);
    stop(&r);
    sg_index *index = open_index(false);
    sg_searcher *searcher;
    assert_true(sg_searcher_new(&searcher, index, &err));
    /* A dead one's is replaced. */
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    assert_int_equal(access(SOCKET, F_OK), 0);
    if (!serve_once(SOCKET, searcher, &err)) fail_msg("%s", err.message);
    assert_int_equal(access(SOCKET, F_OK), -1);
    scratch_put("file", "x", 1); /* what is no socket stays */
    assert_false(serve_once("file", searcher, &err));
    assert_int_equal(access("file", F_OK), 0);
    make_folder("folder");
    assert_false(serve_once("folder", searcher, &err));
    assert_false(serve_once("absent/socket", searcher, &err));
    assert_int_equal(err.code, SG_ERR_IO);
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_false(serve_once(longer, searcher, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    assert_false(serve_once("", searcher, &err));
    sg_searcher_free(searcher);
    sg_index_close(index);
}

/* --- an index that changes --- */

/* Another process, which removes an item when it is told to. It is begun before the server's thread: in the copy of a
 * process with threads a lock may be held for ever. */
typedef struct remover {
    pid_t process;
    int tell;
} remover;

static void remove_when_told(int fd)
{
    sg_error err = {0};
    sg_store *store = NULL;
    uint64_t id;
    bool ok = read(fd, &id, sizeof id) == sizeof id && sg_store_open(&store, "idx", true, WAIT, &err) &&
              sg_store_begin(store, &err) && sg_store_remove(store, id, &err) && sg_store_commit(store, &err);
    sg_store_close(store);
    _exit(ok ? 0 : 1);
}

static remover begin_remover(void)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    remover r = {fork(), fds[1]};
    if (r.process == 0) {
        close(fds[1]);
        remove_when_told(fds[0]);
    }
    close(fds[0]);
    return r;
}

static void remove_item(const remover *r, uint64_t id)
{
    int status;
    assert_int_equal(write(r->tell, &id, sizeof id), sizeof id);
    close(r->tell);
    assert_int_equal(waitpid(r->process, &status, 0), r->process);
    assert_int_equal(status, 0);
}

static void test_index_changes(void **state)
{
    (void)state;
    running r;
    char line[8192];
    make_pictures(8);
    /* A second index, of another network and other pictures, that takes the first one's place. */
    assert_int_equal(rename("idx", "first"), 0);
    make_model("other.safetensors", SG_HEAD_HASH, 2 * BITS, 2);
    assert_true(sg_index_create("idx", "other.safetensors", "flat", NULL, NULL));
    put_picture("new.png", 77);
    assert_int_equal(add_path("new.png", NULL).added, 1);
    assert_int_equal(rename("idx", "second"), 0);
    assert_int_equal(rename("first", "idx"), 0);
    const remover other = begin_remover();
    start(&r);
    int fd = raw_connect();
    raw_say(fd, "{\"image\":\"pictures/003.png\",\"k\":1}\n");
    assert_true(raw_line(line, sizeof line, fd));
    assert_non_null(strstr(line, "003.png\",\"distance\":0}"));
    assert_non_null(strstr(line, "\"items\":8,"));
    remove_item(&other, 4); /* ids follow the order of names: 003.png */
    raw_say(fd, "{\"image\":\"pictures/003.png\",\"k\":8}\n");
    assert_true(raw_line(line, sizeof line, fd));
    assert_non_null(strstr(line, "\"items\":7,"));
    assert_null(strstr(strstr(line, "results"), "003.png"));
    assert_int_equal(rename("second/" SG_INDEX_ENCODER, "idx/" SG_INDEX_ENCODER), 0);
    assert_int_equal(rename("second/data.mdb", "idx/data.mdb"), 0);
    raw_say(fd, "{\"image\":\"new.png\"}\n");
    assert_true(raw_line(line, sizeof line, fd));
    assert_non_null(strstr(line, "new.png\",\"distance\":0}"));
    assert_non_null(strstr(line, "\"items\":1,"));
    assert_true(was_noted(&r, "replaced"));
    assert_int_equal(rename("idx/data.mdb", "away"), 0); /* an error while it is gone */
    raw_say(fd, "{\"image\":\"new.png\"}\n");
    assert_true(raw_line(line, sizeof line, fd));
    assert_memory_equal(line, "{\"error\":\"", 10);
    assert_int_equal(rename("away", "idx/data.mdb"), 0);
    raw_say(fd, "{\"id\":1}\n");
    assert_true(raw_line(line, sizeof line, fd));
    assert_non_null(strstr(line, "\"items\":1,"));
    close(fd);
    stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_answers),           scratch_test(test_errors_are_lines),
        scratch_test(test_long_lines),        scratch_test(test_bad_clients),
        scratch_test(test_many_clients),      scratch_test(test_places),
        scratch_test(test_memory_is_bounded), scratch_test(test_sockets),
        scratch_test(test_index_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
