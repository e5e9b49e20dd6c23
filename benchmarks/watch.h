/* A table of operations that passes every call on to a backend and keeps a log of it: what was called, how long it
 * took, and for matrix products and attention on which operands.  The log of one step is its profile; the products
 * in it are what `step_products.h` runs again alone. */
#ifndef SIM_WATCH_H
#define SIM_WATCH_H

#include <stddef.h>

#define SIM_ACT float /* the CPU backend's */
#include "ops.h"

enum sim_call_kind { SIM_CALL_PASS, SIM_CALL_PRODUCT, SIM_CALL_ATTENTION, SIM_CALL_ATTENTION_BACKWARD };

struct sim_call {
    const char *name; /* of the operation */
    enum sim_call_kind kind;
    double seconds;
    /* SIM_CALL_PRODUCT: C (m, n) = op(A) op(B), as gemm.  SIM_CALL_PASS: m times n numbers, of one operand */
    enum sim_trans ta, tb;
    int64_t m, n, k, lda, ldb, ldc;
    const float *a, *b;
    float *c;
    /* SIM_CALL_ATTENTION*: out, and backward dout and dqkv, as in ops.h */
    int64_t batch, tokens, heads, head_dim;
    const float *qkv, *dout;
    float *out, *dqkv;
};

/* Tells how long operations took that are only queued when they are called. */
struct sim_watch_clock {
    void *self;
    void (*mark)(void *self, size_t at);                    /* queues mark number `at` */
    double (*between)(void *self, size_t from, size_t to); /* seconds; all work is done by then */
};

struct sim_watch {
    struct sim_ops ops;   /* what the model is given; first, so that an operation finds its watch */
    struct sim_ops inner; /* the backend's own table */
    struct sim_call *calls;
    size_t count, room;
    int failed; /* the log ran out of memory; `finish` says so */
    const struct sim_watch_clock *clock; /* borrowed; NULL: the host's, for backends that compute when called */
    int inputs_stay;
};

/* Opens a backend (sim_ops_open).  While the watch is off, w->ops holds the backend's own functions: no cost at all. */
sim_status sim_watch_open(struct sim_watch *w, const char *device, const struct sim_device_options *options);
/* From now on a discrete backend reads the inputs of the last step again instead of fetching them: images that stay
 * on the device, as the peer's do.  Not before the first step. */
void sim_watch_keep_inputs(struct sim_watch *w);
void sim_watch_on(struct sim_watch *w);  /* starts a new log */
void sim_watch_off(struct sim_watch *w); /* the log stays until the next start */
void sim_watch_close(struct sim_watch *w);

/* What the call computes in matrix products, multiply-add = 2; 0 for passes.  Attention's backward makes its logits
 * a second time: five products. */
double sim_call_flop(const struct sim_call *c);

#endif
