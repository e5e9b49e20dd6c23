/* Contrastive heads: ReLU, rows of length 1, and InfoNCE over the keys of all ranks. */
#include "cuda_ranks.h"
#include "kernels.h"
#include "products.h"

static void relu(const struct sim_ops *o, sim_act *y, const sim_act *x, int64_t count)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_k_relu(c->stream, c->act, y, x, count);
}

static void relu_backward(const struct sim_ops *o, sim_act *dx, const sim_act *y, int64_t count)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_k_relu_backward(c->stream, c->act, dx, y, count);
}

static void unit_rows(const struct sim_ops *o, sim_act *y, float *rstd, const sim_act *x, int64_t rows,
                      int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_k_unit_rows(c->stream, c->act, y, rstd, x, rows, dim);
}

static void unit_rows_backward(const struct sim_ops *o, sim_act *dx, const sim_act *dy, const sim_act *y,
                               const float *rstd, int64_t rows, int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_k_unit_rows_backward(c->stream, c->act, dx, dy, y, rstd, rows, dim);
}

/* The scratch memory of one call. */
struct room {
    size_t keys, logits, slope, bytes; /* where they begin; the partial sums of the loss are at 0 */
};

static size_t aligned(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

/* Logits are float32 whatever the products' type is: a temperature of 0.2 makes them too large for 8 bits. */
static struct room room_for(const struct sim_ops *o, int64_t parts, int64_t rows, int64_t dim, int64_t keys)
{
    const int alone = keys == rows, in_place = o->act_bytes == sizeof(float);
    const size_t logits = (size_t)(parts * rows * keys);
    struct room r = {.keys = aligned(sim_k_info_nce_bytes(parts * rows))};
    r.logits = r.keys + aligned(alone ? 0 : (size_t)(parts * keys * dim) * o->act_bytes);
    r.slope = in_place ? r.logits : r.logits + aligned(logits * sizeof(float));
    r.bytes = r.slope + logits * o->act_bytes;
    return r;
}

static void info_nce(const struct sim_ops *o, double *loss, sim_act *dq, const sim_act *q, const sim_act *k,
                     int64_t parts, int64_t rows, int64_t dim, double temperature)
{
    struct sim_cuda *c = sim_cuda(o);
    const int64_t ranks = sim_cuda_ranks_size(c), keys = rows * ranks;
    const int64_t first = c->ranks ? c->ranks->ranks->rank * rows : 0;
    const struct room at = room_for(o, parts, rows, dim, keys);
    const double per = 2 / (double)rows;
    const void *all = k;
    unsigned char *scratch = sim_cuda_scratch(c, at.bytes);
    if (!scratch) return;
    for (int64_t p = 0; c->ranks && p < parts; p++)
        sim_cuda_gather_over_ranks(c, sim_cuda_at(c, scratch + at.keys, p * keys * dim),
                                   sim_cuda_at(c, k, p * rows * dim), (size_t)(rows * dim) * o->act_bytes);
    if (c->ranks) all = scratch + at.keys;
    struct sim_product p =
        sim_product_dense(c->act, SIM_N, SIM_T, rows, keys, dim, q, all, scratch + at.logits);
    p.alpha = (float)(1 / temperature);
    p.out = SIM_ELEMENT_F32;
    p.batch = parts, p.stride_a = rows * dim, p.stride_b = keys * dim, p.stride_c = rows * keys;
    sim_products_run(c, &p);
    sim_k_info_nce(c->stream, c->act, loss, scratch + at.slope, (const float *)(void *)(scratch + at.logits),
                   parts, rows, first, keys, per * temperature / (double)ranks, per, scratch);
    p = sim_product_dense(c->act, SIM_N, SIM_N, rows, dim, keys, scratch + at.slope, all, dq);
    p.batch = parts, p.stride_a = rows * keys, p.stride_b = keys * dim, p.stride_c = rows * dim;
    sim_products_run(c, &p);
    sim_cuda_sum_over_ranks(c, loss, 1);
}

void sim_cuda_fill_contrast(struct sim_ops *o)
{
    o->relu = relu;
    o->relu_backward = relu_backward;
    o->unit_rows = unit_rows;
    o->unit_rows_backward = unit_rows_backward;
    o->info_nce = info_nce;
}
