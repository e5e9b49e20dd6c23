/* Passes over the parameter block: every segment in one launch, a block of threads a chunk, 16 bytes an access
 * where the segment's arrays lie so.  What a step decides (rate, clipping, momentum, whether it happens at all)
 * is read from the device, so that a recorded graph takes it anew. */
#include "vectors.h"

enum { THREADS = 256, V = 4 };

/* This block's part of its segment. */
struct chunk {
    sim_k_segment s;
    int64_t from, to;
    bool wide; /* every array lies on 16 bytes here, and the shadow on 8 */
};

static __device__ __forceinline__ chunk chunk_of_block(sim_k_segments list)
{
    chunk c;
    c.s = list.segment[list.of_chunk[blockIdx.x]];
    c.from = (blockIdx.x - c.s.first_chunk) * (int64_t)SIM_K_CHUNK;
    c.to = min(c.from + SIM_K_CHUNK, c.s.count);
    const uintptr_t bits = (uintptr_t)c.s.p | (uintptr_t)c.s.g | (uintptr_t)c.s.m | (uintptr_t)c.s.v |
                           (uintptr_t)c.s.shadow << 1;
    c.wide = bits % 16 == 0;
    return c;
}

/* N elements from `at` of an array and of its bfloat16 copy (NULL: none). */
template <int N> static __device__ __forceinline__ void store_weights(const sim_k_segment &s, int64_t at, const float (&p)[N])
{
    sim_store<N>(s.p + at, p);
    if (!s.shadow) return;
    sim_pack<__nv_bfloat16, N> narrow;
    SIM_UNROLL for (int k = 0; k < N; k++) narrow.v[k] = __float2bfloat16_rn(p[k]);
    *reinterpret_cast<sim_pack<__nv_bfloat16, N> *>((__nv_bfloat16 *)s.shadow + at) = narrow;
}

/* ------------------------------------------------------------------ norm and clipping */

/* Reads 4 bytes an element.  The squares are made in double: a square of 1e30 is no float32. */
__global__ void __launch_bounds__(THREADS) k_sum_squares(double *part, sim_k_segments list)
{
    const chunk c = chunk_of_block(list);
    const bool wide = (uintptr_t)c.s.g % 16 == 0; /* the other arrays are not read */
    double sum = 0;
    int64_t i = c.from + (wide ? threadIdx.x * V : threadIdx.x);
    if (wide)
        SIM_UNROLL_4 for (; i + V <= c.to; i += THREADS * V)
        {
            float g[V];
            sim_load<V>(g, c.s.g + i);
            SIM_UNROLL for (int k = 0; k < V; k++) sum += (double)g[k] * (double)g[k];
        }
    for (; i < c.to; i += wide ? 1 : THREADS) /* wide: the last, shorter access is one thread's */
        sum += (double)c.s.g[i] * (double)c.s.g[i];
    sum = sim_block_sum(sum);
    if (threadIdx.x == 0) part[blockIdx.x] = sum;
}

size_t sim_k_sum_squares_bytes(int64_t chunks)
{
    return (size_t)(chunks ? chunks : 1) * sizeof(double);
}

void sim_k_sum_squares(sim_stream s, double *sum, struct sim_k_segments list, void *scratch)
{
    double *const part = (double *)scratch;
    if (list.chunks) SIM_LAUNCH(k_sum_squares, list.chunks, THREADS, 0, s, part, list);
    sim_k_sum_parts_double(s, sum, part, list.chunks, 1, 1, 1.0);
}

__global__ void k_clip(sim_scalars *s, double clip_grad, double largest)
{
    if (threadIdx.x > 0) return;
    const double norm = sqrt(s->sum_squares), scale = clip_grad > 0 ? clip_grad / (norm + 1e-6) : 1;
    s->grad_scale = scale < 1 ? scale : 1;
    if (!(fabs(s->loss) < INFINITY) || !(norm < INFINITY) || (clip_grad <= 0 && norm > largest)) s->halted = 1;
}

void sim_k_clip(sim_stream s, struct sim_scalars *scalars, double clip_grad)
{
    SIM_LAUNCH(k_clip, 1, SIM_WARP, 0, s, scalars, clip_grad, (double)SIM_LARGEST_NORM);
}

/* ------------------------------------------------------------------ AdamW */

struct adamw_step {
    float b1, b2, c1, c2, decay, grad_scale, eps, step, root;
};

template <int N> static __device__ __forceinline__ void adamw_elements(const sim_k_segment &s, int64_t at, const adamw_step &h)
{
    float p[N], g[N], m[N], v[N];
    sim_load<N>(p, s.p + at);
    sim_load<N>(g, s.g + at);
    sim_load<N>(m, s.m + at);
    sim_load<N>(v, s.v + at);
    SIM_UNROLL for (int k = 0; k < N; k++)
    {
        const float gk = g[k] * h.grad_scale;
        m[k] = h.b1 * m[k] + h.c1 * gk;
        v[k] = h.b2 * v[k] + h.c2 * gk * gk;
        p[k] = p[k] * h.decay - h.step * m[k] / (sqrtf(v[k]) * h.root + h.eps);
    }
    sim_store<N>(s.m + at, m);
    sim_store<N>(s.v + at, v);
    store_weights<N>(s, at, p);
}

/* Moves 28 bytes an element, 30 with the shadow.  The divisions and roots in double that a step takes are made
 * once a block. */
__global__ void __launch_bounds__(THREADS)
    k_adamw(sim_k_segments list, const sim_scalars *scalars, sim_adamw h)
{
    SIM_SHARED(adamw_step, step, );
    if (scalars->halted) return;
    const chunk c = chunk_of_block(list);
    if (threadIdx.x == 0) {
        const double lr = scalars->in.lr * c.s.lr_scale;
        step = {(float)h.beta1,
                (float)h.beta2,
                (float)(1 - h.beta1),
                (float)(1 - h.beta2),
                (float)(1.0 - lr * (double)c.s.weight_decay),
                (float)scalars->grad_scale,
                (float)h.eps,
                (float)(lr / scalars->in.correction1),
                (float)(1.0 / sqrt(scalars->in.correction2))};
    }
    __syncthreads();
    const adamw_step mine = step;
    int64_t i = c.from + (c.wide ? threadIdx.x * V : threadIdx.x);
    if (c.wide)
        for (; i + V <= c.to; i += THREADS * V) adamw_elements<V>(c.s, i, mine);
    for (; i < c.to; i += c.wide ? 1 : THREADS) adamw_elements<1>(c.s, i, mine);
}

void sim_k_adamw(sim_stream s, struct sim_k_segments list, const struct sim_scalars *scalars,
                 struct sim_adamw h)
{
    if (list.chunks) SIM_LAUNCH(k_adamw, list.chunks, THREADS, 0, s, list, scalars, h);
}

/* ------------------------------------------------------------------ EMA */

template <int N>
static __device__ __forceinline__ void ema_elements(const sim_k_segment &s, int64_t at, float keep, float rest)
{
    float p[N], g[N];
    sim_load<N>(p, s.p + at);
    sim_load<N>(g, s.g + at);
    SIM_UNROLL for (int k = 0; k < N; k++) p[k] = fmaf(keep, p[k], rest * g[k]);
    store_weights<N>(s, at, p);
}

/* Moves 12 bytes an element, 14 with the shadow. */
__global__ void __launch_bounds__(THREADS) k_ema(sim_k_segments list, const sim_scalars *scalars)
{
    if (scalars->halted) return;
    const chunk c = chunk_of_block(list);
    const float keep = (float)scalars->in.momentum, rest = (float)(1.0 - scalars->in.momentum);
    int64_t i = c.from + (c.wide ? threadIdx.x * V : threadIdx.x);
    if (c.wide)
        SIM_UNROLL_4 for (; i + V <= c.to; i += THREADS * V) ema_elements<V>(c.s, i, keep, rest);
    for (; i < c.to; i += c.wide ? 1 : THREADS) ema_elements<1>(c.s, i, keep, rest);
}

void sim_k_ema(sim_stream s, struct sim_k_segments list, const struct sim_scalars *scalars)
{
    if (list.chunks) SIM_LAUNCH(k_ema, list.chunks, THREADS, 0, s, list, scalars);
}
