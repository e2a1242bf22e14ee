/* Verification in a process of its own: even a page that LMDB trips over, or that the disk cannot give (a signal, where
 * a file is mapped), becomes a report. The child opens the index, and tells what it finds through a pipe. */
#include "store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <signet/interrupt.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct message {
    bool last; /* the end of it; error is then what the check itself came to */
    size_t nfaults;
    sg_error error; /* or its message is a fault */
} message;

/* --- the child --- */

static void send_message(int fd, const message *m)
{
    const char *bytes = (const char *)m;
    for (size_t done = 0; done < sizeof *m;) {
        ssize_t put = write(fd, bytes + done, sizeof *m - done);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) _exit(1);
        done += (size_t)put;
    }
}

static void send_fault(void *context, const char *fault)
{
    message m = {.error = {SG_ERR_FORMAT, ""}};
    snprintf(m.error.message, sizeof m.error.message, "%s", fault);
    send_message(*(int *)context, &m);
}

static void look(const char *dir, int fd)
{
    message end = {.last = true};
    sg_store *store;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (sg_store_open(&store, dir, false, 0, &end.error)) {
        sg_store_verify(&end.nfaults, store, send_fault, &fd, &end.error);
        sg_store_close(store);
    }
    send_message(fd, &end);
    _exit(0);
}

/* --- the parent --- */

/* False at the end of the pipe. */
static bool receive(message *m, int fd)
{
    char *bytes = (char *)m;
    for (size_t done = 0; done < sizeof *m;) {
        ssize_t got = read(fd, bytes + done, sizeof *m - done);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        done += (size_t)got;
    }
    return true;
}

/* The child ended without a last word: by a signal of the kind that damage brings, which is a fault, or otherwise. */
static bool read_ending(sg_error *fault, const char *dir, int status, sg_error *err)
{
    int signum = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (signum == SIGSEGV || signum == SIGBUS || signum == SIGABRT || signum == SIGFPE || signum == SIGILL) {
        sg_fail(fault, SG_ERR_FORMAT, "%s: damaged: looking at it ended in a signal: %s", dir,
                strsignal(signum));
        return true;
    }
    return sg_interrupt_check(err) && sg_fail(err, SG_ERR_IO, "%s: the check was ended from outside", dir);
}

bool sg_store_verify_apart(size_t *faults, const char *dir, void (*report)(void *context, const char *fault),
                           void *context, sg_error *err)
{
    int fds[2], status = 0;
    message m;
    sg_error why = {SG_OK, ""};
    *faults = 0;
    if (pipe2(fds, O_CLOEXEC) != 0) return sg_fail_errno(err, errno, "%s: cannot make a pipe", dir);
    pid_t child = fork();
    if (child < 0) {
        sg_fail_errno(err, errno, "%s: cannot start a process", dir);
        close(fds[0]);
        close(fds[1]);
        return false;
    }
    if (child == 0) {
        close(fds[0]);
        look(dir, fds[1]);
    }
    close(fds[1]);
    bool more;
    while ((more = receive(&m, fds[0])) && !m.last) {
        ++*faults;
        if (report) report(context, m.error.message);
    }
    close(fds[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (more) {
        if (err && m.error.code != SG_OK) *err = m.error;
        return m.error.code == SG_OK;
    }
    if (!read_ending(&why, dir, status, err)) return false;
    ++*faults;
    if (report) report(context, why.message);
    return true;
}
