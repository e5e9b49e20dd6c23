/* SIGINT and SIGTERM, which stop a run after its step. */
#ifndef SIM_STOP_SIGNALS_H
#define SIM_STOP_SIGNALS_H

#include <signal.h>

#include "status.h"

/* The signals that stop a run. */
sigset_t sim_stop_signals(void);

/* Blocks them and starts a thread that waits for them: the first sets *stop, the second ends the program as
 * it would have without us.  Called before any other thread is started, so that they all inherit what is
 * blocked: a handler must not run on a thread that computes, for oneDNN 2.6's AVX-512 sgemm keeps data below
 * its stack's red zone, where the kernel puts a handler's frame, and then frees what it finds there. */
sim_status sim_stop_signals_catch(volatile sig_atomic_t *stop);

#endif
