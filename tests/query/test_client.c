/* The client's side of a server. */
#include "serving.h"

#include <fcntl.h>

typedef struct told {
    char text[1024];
} told;

static bool tell_answer(void *context, sg_answer *answer, sg_error *err)
{
    (void)err;
    told *t = context;
    size_t n = strlen(t->text);
    snprintf(t->text + n, sizeof t->text - n, "%s: %s\n", answer->query,
             answer->result.n ? sg_path_base(answer->paths[0]) : "none");
    return true;
}

static bool tell_broken(void *context, const sg_error *why, sg_error *err)
{
    (void)err;
    told *t = context;
    size_t n = strlen(t->text);
    assert_true(why->code == SG_ERR_FORMAT || why->code == SG_ERR_IO || why->code == SG_ERR_LIMIT);
    snprintf(t->text + n, sizeof t->text - n, "broken\n");
    return true;
}

static void test_client_files(void **state)
{
    (void)state;
    running r;
    sg_error err = {0};
    sg_client *client;
    sg_request request = SG_REQUEST_INIT;
    told t = {""};
    make_pictures(5);
    scratch_put("text", "no image", 8);
    start(&r);
    assert_true(sg_client_open(&client, SOCKET, &err));
    const sg_query_file files[] = {
        {"pictures/002.png", true}, {"text", true},    {"text", false},
        {"absent", true},           {"absent", false}, {"./pictures/004.png", false},
        {"pictures/../text", true}, {"-", true}, /* more than a request holds */
        {"pictures/000.png", true}};
    const sg_query_visit visit = {tell_answer, tell_broken, &t};
    int usual = dup(STDIN_FILENO), large = open("large", O_RDWR | O_CREAT, 0666);
    assert_int_equal(ftruncate(large, SG_REQUEST_NBYTES / 4 * 3), 0);
    assert_int_equal(dup2(large, STDIN_FILENO), STDIN_FILENO);
    if (!sg_client_files(client, files, 9, &request, &visit, &err)) fail_msg("%s", err.message);
    if (usual >= 0) dup2(usual, STDIN_FILENO);
    close(usual);
    close(large);
    assert_string_equal(t.text,
                        "pictures/002.png: 002.png\nbroken\nbroken\nbroken\n./pictures/004.png: 004.png\n"
                        "broken\nbroken\npictures/000.png: 000.png\n");
    stop(&r); /* with a client that is connected */
    assert_false(sg_client_files(client, files, 1, &request, &visit, &err));
    assert_int_equal(err.code, SG_ERR_IO);
    sg_client_close(client);
    assert_false(sg_client_open(&client, SOCKET, &err));
    assert_int_equal(err.code, SG_ERR_IO);
}

static void *interrupt_soon(void *context)
{
    usleep(20000);
    sg_interrupt_set(true);
    return context;
}

/* A server that does not answer; whoever sets the flag, by a signal or not, ends the wait for it. */
static void test_client_is_interrupted(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_client *client;
    sg_answer answer;
    sg_request request = SG_REQUEST_INIT;
    pthread_t thread;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address) | listen(fd, 1), 0);
    assert_true(sg_client_open(&client, SOCKET, &err));
    request.id = 1;
    assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, NULL), 0);
    alarm(100); /* rather than wait for ever */
    assert_false(sg_client_ask(&answer, client, &request, &err));
    alarm(0);
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    pthread_join(thread, NULL);
    sg_interrupt_set(false);
    sg_client_close(client);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_client_files),
        scratch_test(test_client_is_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
