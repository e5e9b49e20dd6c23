/* What the files of the CPU backend share: the context behind struct sim_ops, scratch memory, tiling. */
#ifndef SIM_CPU_H
#define SIM_CPU_H

#include <stddef.h>

#include "isa/kernels.h"
#include "ops.h"
#include "ranks.h"

#define SIM_MAX_LANES 512

struct sim_lane { /* one thread's scratch, grown on demand */
    float *data;
    size_t bytes;
    char apart[48]; /* lanes on lines of their own */
};

struct sim_cpu {
    struct sim_kernels k;
    sim_status failed; /* the first failure since `finish`; guarded by a critical section */
    char sentence[640];
    struct sim_lane shared; /* partial sums that cross threads; used by one operation at a time */
    unsigned char posted[SIM_POST_SLOTS][SIM_POST_BYTES];
    struct sim_lane lane[SIM_MAX_LANES];
};

static inline struct sim_cpu *sim_cpu(const struct sim_ops *o)
{
    return o->context;
}

/* Records the first failure; safe from any thread. */
void sim_cpu_fail(struct sim_cpu *c, sim_status code, const char *sentence);

/* At least count floats, 64-byte aligned, of the calling thread (or shared); NULL, recorded, without memory.
 */
float *sim_cpu_scratch(struct sim_cpu *c, size_t count);
float *sim_cpu_shared(struct sim_cpu *c, size_t count);

/* values (count) = their sums over the ranks; alone, nothing.  A failure is recorded. */
void sim_cpu_sum_over_ranks(const struct sim_ops *o, double *values, int64_t count);
/* *value = the mean of the ranks' values. */
void sim_cpu_mean_over_ranks(const struct sim_ops *o, double *value);

/* One tile of a product by one thread. */
void sim_cpu_tile_gemm(struct sim_cpu *c, enum sim_trans ta, enum sim_trans tb, int64_t m, int64_t n,
                       int64_t k, float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                       float beta, float *out, int64_t ldc);

/* How an (m, n) output is cut into tiles: a function of the shape alone. */
struct sim_tiling {
    int64_t tile_m, tile_n, count_m, count_n;
};
struct sim_tiling sim_cpu_tiling(int64_t m, int64_t n);

/* Rows per chunk where a loop over rows is shared out, and the number of chunks. */
#define SIM_CHUNK_ROWS 64
static inline int64_t sim_chunks(int64_t count, int64_t size)
{
    return (count + size - 1) / size;
}
static inline int64_t sim_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Each file of the backend fills in its members. */
void sim_cpu_transfers(struct sim_ops *o);
void sim_cpu_products(struct sim_ops *o);
void sim_cpu_norms(struct sim_ops *o);
void sim_cpu_attention(struct sim_ops *o);
void sim_cpu_tokens(struct sim_ops *o);
void sim_cpu_cross_entropy(struct sim_ops *o);
void sim_cpu_masked(struct sim_ops *o);
void sim_cpu_contrast(struct sim_ops *o);
void sim_cpu_passes(struct sim_ops *o);
void sim_cpu_facts(struct sim_ops *o);

#endif
