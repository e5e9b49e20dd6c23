/* What the C files of the CUDA backend share: the context behind struct sim_ops and its scratch memory.  The
 * files here know no CUDA header: devices are behind device.h, kernels behind kernels/kernels.h, the
 * libraries' products and attention behind products.h and attention.h, each filled by nvidia/ or, for tests
 * without a GPU, by shim/. */
#ifndef SIM_CUDA_H
#define SIM_CUDA_H

#include "device.h"
#include "facts.h"
#include "ops.h"

/* What the numbers of a block on the device are. */
enum sim_element { SIM_ELEMENT_F32, SIM_ELEMENT_BF16 };

struct sim_products;  /* products.h */
struct sim_attention; /* attention.h */

struct sim_cuda {
    struct sim_device *device;
    sim_stream stream;            /* the compute stream */
    sim_event reached;            /* for waits */
    char isa[16];                 /* "sm_90" */
    enum sim_precision precision; /* FP32, TF32 or BF16 */
    enum sim_element act;         /* what a sim_act is */
    int deterministic, tune, graphs;
    struct sim_products *products;
    struct sim_attention *attention;

    struct sim_given *given; /* blocks of memory.take: backend.c */
    void *scratch;           /* sim_cuda_scratch */
    size_t scratch_bytes;
    int capturing; /* a graph is being recorded: nothing may be allocated or waited for */

    struct sim_ops_facts noted; /* what was substituted so far: sim_facts_substitute(&c->noted, ...) */
    sim_status failed;          /* the first failure since `finish` that is not the device's own */
    char sentence[1024];
    struct sim_shadows *shadows;     /* weights in the precision of products: weights.c */
    struct sim_lists *lists;         /* lists of segments on the device: passes.c */
    struct sim_transfers *transfers; /* slots of post/collect, pinned staging: transfers.c */
    struct sim_replays *replays;     /* recorded graphs: replay.c */
    struct sim_cuda_ranks *ranks;    /* NCCL: ranks_nccl.c */
    struct sim_views_state *views;   /* images that stay on the device: views.c */
};

static inline struct sim_cuda *sim_cuda(const struct sim_ops *o)
{
    return (struct sim_cuda *)o->context; /* kernels.h is C++ too */
}

/* Activation number `count` from x on. */
static inline void *sim_cuda_at(const struct sim_cuda *c, const void *x, int64_t count)
{
    return (unsigned char *)(uintptr_t)x + count * (c->act == SIM_ELEMENT_BF16 ? 2 : 4);
}

/* Keeps the first failure until `finish` (printf format). */
void sim_cuda_fail(struct sim_cuda *c, sim_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Device memory for the length of one operation, 256-byte aligned, contents undefined: one block that every
 * operation uses in turn, so an operation asks once for all it needs.  Grows on demand (which waits for the
 * device); NULL, recorded, without memory, or where it would have to grow while a graph is recorded. */
void *sim_cuda_scratch(struct sim_cuda *c, size_t bytes);

/* A parameter as products want it: w itself, or its bfloat16 copy.  NULL, recorded, for an address outside
 * every block that weights_changed was called for. */
const void *sim_cuda_weight(struct sim_cuda *c, const float *w);
/* The bfloat16 copy's address for a parameter that a pass is about to write, or NULL where none is kept. */
void *sim_cuda_shadow(struct sim_cuda *c, const float *w);

/* The host waits until everything queued on the compute stream so far is done, or until `event` is, looking
 * meanwhile whether the other ranks are still there. */
void sim_cuda_wait(struct sim_cuda *c);
void sim_cuda_wait_for(struct sim_cuda *c, sim_event event);
/* The first failure, the device's or c->failed, as `finish` reports it, without waiting; it is forgotten. */
sim_status sim_cuda_report(struct sim_cuda *c);

/* Whatever was kept for addresses on the device or for callers' lists is dropped: before the backend closes,
 * and whenever a block of device memory is released, because its addresses may mean something else next time.
 * All may be called again, and with nothing kept. */
void sim_cuda_forget_lists(struct sim_cuda *c);   /* passes.c */
void sim_cuda_forget_replays(struct sim_cuda *c); /* replay.c */
/* On closing. */
void sim_cuda_close_transfers(struct sim_cuda *c);
void sim_cuda_close_views(struct sim_cuda *c);

/* Each file of the backend fills in its members. */
void sim_cuda_fill_transfers(struct sim_ops *o); /* stage upload download read_act post collect */
void sim_cuda_fill_products(struct sim_ops *o);  /* gemm linear linear_* */
void sim_cuda_fill_norms(struct sim_ops *o);
void sim_cuda_fill_attention(struct sim_ops *o);
void sim_cuda_fill_tokens(struct sim_ops *o);   /* patchify ... scale_residual_backward */
void sim_cuda_fill_loss(struct sim_ops *o);     /* covariance unigrad cross_entropy */
void sim_cuda_fill_masked(struct sim_ops *o);   /* restore_tokens restore_tokens_backward pixel_loss */
void sim_cuda_fill_contrast(struct sim_ops *o); /* relu, unit_rows, info_nce */
void sim_cuda_fill_passes(struct sim_ops *o);   /* sum_squares clip adamw ema */
void sim_cuda_fill_ranks(struct sim_ops *o);    /* gradients_ready gradients_wait */
void sim_cuda_fill_replay(struct sim_ops *o);
void sim_cuda_fill_views(struct sim_ops *o); /* make_views */
void sim_cuda_fill_facts(struct sim_ops *o); /* describe */

/* The CUDA backend on device options->ordinal; bf16 by default.  Refuses cuDNN 9.10.0 and 9.10.1, older
 * than 9.16, and devices older than sm_80, saying what would do. */
sim_status sim_ops_cuda_open(struct sim_ops *out, const struct sim_device_options *options);

#endif
