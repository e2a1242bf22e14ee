#include "scratch.h"

#include <pthread.h>
#include <signal.h>
#include <signet/file.h>
#include <signet/interrupt.h>
#include <sys/wait.h>

static void test_flag(void **state)
{
    (void)state;
    sg_error err = {0};
    assert_true(sg_interrupt_check(&err));
    sg_interrupt_set(true);
    assert_true(sg_interrupted());
    assert_false(sg_interrupt_check(&err));
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    assert_string_equal(err.message, "interrupted");
    assert_false(sg_interrupt_check(NULL));
    sg_interrupt_set(false);
    assert_false(sg_interrupted());
}

/* The child lives through the first signal and dies of the second, whichever they are. */
static void test_the_second_signal_ends(void **state)
{
    (void)state;
    static const int pairs[][2] = {{SIGINT, SIGINT}, {SIGTERM, SIGTERM}, {SIGINT, SIGTERM}};
    for (size_t i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            sg_interrupt_install();
            raise(pairs[i][0]);
            if (!sg_interrupted()) _exit(1);
            raise(pairs[i][1]);
            _exit(2);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), pairs[i][1]);
    }
}

/* A read of standard input that waits for more ends with SG_ERR_INTERRUPTED. */
static void test_waiting_for_input(void **state)
{
    (void)state;
    int input[2], ready[2];
    char byte;
    assert_int_equal(pipe(input) | pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        char *bytes;
        size_t nbytes;
        sg_error err = {0};
        dup2(input[0], STDIN_FILENO);
        sg_interrupt_install();
        if (write(ready[1], "r", 1) != 1) _exit(3);
        bool ok = sg_file_read(&bytes, &nbytes, "-", 1000, &err);
        _exit(ok ? 1 : err.code == SG_ERR_INTERRUPTED ? 42 : 2);
    }
    assert_int_equal(write(input[1], "some", 4), 4);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    usleep(50000); /* by then it mostly waits */
    kill(child, SIGINT);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    for (int i = 0; i < 2; i++) close(input[i]), close(ready[i]);
}

static void *set_soon(void *context)
{
    usleep(20000);
    sg_interrupt_set(true);
    return context;
}

/* What no signal ends, a flag does: another thread's, or that of a signal which came just before the wait. */
static void test_a_flag_ends_waiting(void **state)
{
    (void)state;
    int input[2], before = dup(STDIN_FILENO);
    char *bytes;
    size_t nbytes;
    sg_error err = {0};
    pthread_t thread;
    assert_int_equal(pipe(input), 0);
    assert_int_equal(dup2(input[0], STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(pthread_create(&thread, NULL, set_soon, NULL), 0);
    alarm(100); /* rather than wait for ever */
    assert_false(sg_file_read(&bytes, &nbytes, "-", 1000, &err));
    alarm(0);
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    pthread_join(thread, NULL);
    sg_interrupt_set(false);
    dup2(before, STDIN_FILENO);
    close(before);
    for (int i = 0; i < 2; i++) close(input[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flag),
        cmocka_unit_test(test_the_second_signal_ends),
        cmocka_unit_test(test_waiting_for_input),
        cmocka_unit_test(test_a_flag_ends_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
