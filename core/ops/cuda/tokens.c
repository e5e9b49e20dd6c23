/* Tokens and residual branches: a kernel each, sums over rows in two stages. */
#include "kernels.h"

static void patchify(const struct sim_ops *o, sim_act *rows, const float *images, const int32_t *index,
                     int64_t batch, int64_t side, int64_t patch, int64_t taken)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_k_patchify(c->stream, c->act, rows, images, index, batch, side, patch, taken);
}

static void embed_tokens(const struct sim_ops *o, sim_act *y, const sim_act *x, const float *cls,
                         const float *pos, const int32_t *index, int64_t batch, int64_t taken, int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_k_embed_tokens(c->stream, c->act, y, x, cls, pos, index, batch, taken, dim);
}

/* out (dim) = the sum of rows first..first+count-1 of every image. */
static void sum_rows(struct sim_cuda *c, float *out, const sim_act *x, int64_t batch, int64_t tokens,
                     int64_t first, int64_t count, int64_t dim)
{
    const struct sim_k_rows rows = {.images = batch, .tokens = tokens, .first = first, .count = count};
    void *scratch = sim_cuda_scratch(c, sim_k_column_sums_bytes(batch * count, dim));
    if (scratch) sim_k_column_sums(c->stream, c->act, out, x, rows, dim, scratch);
}

static void embed_tokens_backward(const struct sim_ops *o, float *dcls, sim_act *dx, const sim_act *dy,
                                  int64_t batch, int64_t taken, int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    sum_rows(c, dcls, dy, batch, 1 + taken, 0, 1, dim);
    if (dx) sim_k_take_rows(c->stream, c->act, dx, dy, batch, 1 + taken, 1, taken, dim);
}

static void join_queries(const struct sim_ops *o, sim_act *y, const sim_act *z, const float *pos,
                         const int32_t *index, const float *mask_token, const sim_act *place, int64_t batch,
                         int64_t taken, int64_t patches, int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_k_join_queries(c->stream, c->act, y, z, pos, index, mask_token, place, batch, taken, patches, dim);
}

static void join_queries_backward(const struct sim_ops *o, sim_act *dz, float *dmask_token, sim_act *dplace,
                                  const sim_act *dy, int64_t batch, int64_t taken, int64_t patches,
                                  int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    const int64_t tokens = 1 + taken + patches;
    sim_k_take_rows(c->stream, c->act, dz, dy, batch, tokens, 0, 1 + taken, dim);
    sim_k_take_rows(c->stream, c->act, dplace, dy, batch, tokens, 1 + taken, patches, dim);
    sum_rows(c, dmask_token, dplace, batch, patches, 0, patches, dim);
}

static void take_rows(const struct sim_ops *o, sim_act *y, const sim_act *x, int64_t batch, int64_t tokens,
                      int64_t first, int64_t count, int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_k_take_rows(c->stream, c->act, y, x, batch, tokens, first, count, dim);
}

static void put_rows(const struct sim_ops *o, sim_act *y, const sim_act *x, int64_t batch, int64_t tokens,
                     int64_t first, int64_t count, int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_k_put_rows(c->stream, c->act, y, x, batch, tokens, first, count, dim);
}

static void mean_rows(const struct sim_ops *o, sim_act *y, const sim_act *x, int64_t batch, int64_t tokens,
                      int64_t first, int64_t count, int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_k_mean_rows(c->stream, c->act, y, x, batch, tokens, first, count, dim);
}

static void mean_rows_backward(const struct sim_ops *o, sim_act *dx, const sim_act *dy, int64_t batch,
                               int64_t tokens, int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_k_mean_rows_backward(c->stream, c->act, dx, dy, batch, tokens, dim);
}

static void relative_features(const struct sim_ops *o, sim_act *features, const float *geometry,
                              int64_t batch, int64_t grid, int64_t dim, enum sim_features_mode mode)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_k_relative_features(c->stream, c->act, features, geometry, batch, grid, dim, mode);
}

static void scale_residual(const struct sim_ops *o, sim_act *y, const sim_act *x, const sim_act *branch,
                           const float *gamma, const float *keep, int64_t batch, int64_t tokens, int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_k_scale_residual(c->stream, c->act, y, x, branch, gamma, keep, batch, tokens, dim);
}

static void scale_residual_backward(const struct sim_ops *o, sim_act *dbranch, float *dgamma,
                                    const sim_act *dy, const sim_act *branch, const float *gamma,
                                    const float *keep, int64_t batch, int64_t tokens, int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    void *scratch =
        dgamma ? sim_cuda_scratch(c, sim_k_scale_residual_backward_bytes(batch * tokens, dim)) : NULL;
    if (dgamma && !scratch) return;
    sim_k_scale_residual_backward(c->stream, c->act, dbranch, dgamma, dy, branch, gamma, keep, batch, tokens,
                                  dim, scratch);
}

void sim_cuda_fill_tokens(struct sim_ops *o)
{
    o->patchify = patchify;
    o->embed_tokens = embed_tokens;
    o->embed_tokens_backward = embed_tokens_backward;
    o->join_queries = join_queries;
    o->join_queries_backward = join_queries_backward;
    o->take_rows = take_rows;
    o->put_rows = put_rows;
    o->mean_rows = mean_rows;
    o->mean_rows_backward = mean_rows_backward;
    o->relative_features = relative_features;
    o->scale_residual = scale_residual;
    o->scale_residual_backward = scale_residual_backward;
}
