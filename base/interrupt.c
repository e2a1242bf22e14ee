#include <signet/interrupt.h>

#include <signal.h>
#include <stdatomic.h>

static atomic_bool asked; /* lock-free: a signal handler may set it */

static void handle(int number)
{
    if (!atomic_exchange(&asked, true)) return;
    signal(number, SIG_DFL);
    raise(number);
}

void sg_interrupt_install(void)
{
    /* Calls go on after the first signal: what is written to a pipe or a store is not torn by it. */
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void sg_interrupt_set(bool on)
{
    atomic_store(&asked, on);
}

bool sg_interrupted(void)
{
    return atomic_load_explicit(&asked, memory_order_relaxed);
}

bool sg_interrupt_check(sg_error *err)
{
    return sg_interrupted() ? sg_fail(err, SG_ERR_INTERRUPTED, "interrupted") : true;
}
