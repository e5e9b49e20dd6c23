#include "stop_signals.h"

#include <pthread.h>
#include <string.h>

#include "progress.h"

sigset_t sim_stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    return set;
}

int sim_stop_exit_status(int number)
{
    return number == SIGTERM || number == SIGUSR1 ? SIM_EXIT_AGAIN : SIM_EXIT_INTERRUPTED;
}

static void *wait_for_signals(void *context)
{
    volatile sig_atomic_t *stop = context;
    const sigset_t set = sim_stop_signals();
    int number = 0;
    if (sigwait(&set, &number) != 0) return NULL;
    *stop = number;
    sim_log("stopping after this step, or this batch of a score; once more: at once, back to the last "
            "checkpoint");
    do
        if (sigwait(&set, &number) != 0) return NULL;
    while (number == SIGUSR1);
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
    return NULL;
}

sim_status sim_stop_signals_catch(volatile sig_atomic_t *stop)
{
    const sigset_t set = sim_stop_signals();
    pthread_t thread;
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int failed = pthread_create(&thread, NULL, wait_for_signals, (void *)stop);
    if (failed)
        return sim_fail(SIM_EIO, "cannot start the thread that waits for Ctrl-C: %s", strerror(failed));
    pthread_detach(thread);
    return SIM_OK;
}
