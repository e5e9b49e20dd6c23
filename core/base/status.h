/* Errors are values: a fallible function returns a status and leaves one sentence that says what
 * went wrong, where, in which file, and what would be right.  Only main() exits. */
#ifndef SIM_STATUS_H
#define SIM_STATUS_H

typedef enum sim_status {
    SIM_OK = 0,
    SIM_EINVAL,     /* the caller or the user asked for something that cannot be */
    SIM_EIO,        /* the operating system refused: missing file, full disk, no permission */
    SIM_EFORMAT,    /* a file's contents are not what its format promises */
    SIM_ENOMEM,     /* an allocation failed */
    SIM_ENONFINITE, /* a loss or gradient is not a finite number */
    SIM_EINTERRUPT, /* the user asked the run to stop (SIGINT, SIGTERM) */
    SIM_ELIB        /* a library call failed in a way it should not */
} sim_status;

/* Records the sentence (printf format, no trailing newline or full stop needed) for this thread and
 * returns `code`, so that `return sim_fail(SIM_EIO, "...")` is the whole error path.  A sentence of more than
 * 2047 bytes keeps its two ends. */
sim_status sim_fail(sim_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " before the sentence already recorded on this thread; returns `code`. */
sim_status sim_context(sim_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The sentence of the last sim_fail on this thread; "" when there was none.  Owned by the thread. */
const char *sim_error_text(void);

/* Returns from the calling function when `call` fails. */
#define SIM_TRY(call)                                                                                        \
    do {                                                                                                     \
        sim_status sim_try_ = (call);                                                                        \
        if (sim_try_ != SIM_OK) return sim_try_;                                                             \
    } while (0)

#endif
