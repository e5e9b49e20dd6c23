/* SIGINT, SIGTERM and SIGUSR1, which stop a run after its step, or its batch of a score. */
#ifndef SIM_STOP_SIGNALS_H
#define SIM_STOP_SIGNALS_H

#include <signal.h>

#include "status.h"

/* The signals that stop a run. */
sigset_t sim_stop_signals(void);

/* What the program ends with when such a signal stopped it: for Ctrl-C, or where it was none of them (0),
 * 130, as shells say it; for SIGTERM and SIGUSR1, which batch systems send, 75: sysexits.h's EX_TEMPFAIL,
 * start me again. */
enum { SIM_EXIT_INTERRUPTED = 130, SIM_EXIT_AGAIN = 75 };
int sim_stop_exit_status(int number);

/* Blocks them and starts a thread that waits for them: the first sets *stop to its number, the second ends
 * the program as it would have without us, unless it is SIGUSR1, which only ever asks.  Called before any
 * other thread is started, so that they all inherit what is blocked: a handler must not run on a thread that
 * computes, for oneDNN 2.6's AVX-512 sgemm keeps data below its stack's red zone, where the kernel puts a
 * handler's frame, and then frees what it finds there. */
sim_status sim_stop_signals_catch(volatile sig_atomic_t *stop);

#endif
