/* Moving tokens about: patches in, positions added, rows taken and put back, the predictor's queries.  A
 * thread makes V elements of the output; bytes moved are those of the operands. */
#include "vectors.h"

enum { THREADS = 256 };

/* Element n V of a tensor whose rows are row_packs V wide: its row, and its column. */
struct place {
    int64_t row, column;
};
template <int V> static __device__ __forceinline__ place place_of(int64_t n, int64_t row_packs)
{
    const int64_t row = sim_quotient(n, row_packs);
    return {row, (n - row * row_packs) * V};
}

static __device__ __forceinline__ int64_t thread_number(void)
{
    return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

/* Launches a kernel of one thread for every V of `count` elements. */
#define LAUNCH_PACKS(kernel, count, stream, ...)                                                             \
    SIM_LAUNCH(kernel, sim_ceil((count) / V, THREADS), THREADS, 0, stream, __VA_ARGS__)

/* ------------------------------------------------------------------ patchify */

/* V neighbours in a row of pixels stay neighbours in the patch. */
template <class T, int V>
__global__ void k_patchify(T *rows, const float *images, const int32_t *index, int64_t packs, int64_t side,
                           int64_t patch, int64_t taken)
{
    const int64_t n = thread_number();
    if (n >= packs) return;
    const int64_t grid = side / patch;
    const place p = place_of<V>(n, 3 * patch * patch / V);
    const int64_t image = sim_quotient(p.row, taken), l = index ? index[p.row] : p.row - image * taken;
    const int64_t line = sim_quotient(p.column, patch), channel = sim_quotient(line, patch),
                  up = sim_quotient(l, grid), y = up * patch + line - channel * patch,
                  x = (l - up * grid) * patch + p.column - line * patch;
    float v[V];
    sim_load<V>(v, images + ((image * 3 + channel) * side + y) * side + x);
    sim_store<V>(rows + n * V, v);
}

void sim_k_patchify(sim_stream s, enum sim_element act, void *rows, const float *images, const int32_t *index,
                    int64_t batch, int64_t side, int64_t patch, int64_t taken)
{
    const int64_t count = batch * taken * 3 * patch * patch;
    const bool wide = sim_on_16(rows, images) && side % 4 == 0;
    SIM_BY_TYPE(act, patch, wide, {
        LAUNCH_PACKS((k_patchify<T, V>), count, s, (T *)rows, images, index, count / V, side, patch, taken);
    });
}

/* ------------------------------------------------------------------ positions */

template <class T, int V>
__global__ void k_embed_tokens(T *y, const T *x, const float *cls, const float *pos, const int32_t *index,
                               int64_t packs, int64_t taken, int64_t dim)
{
    const int64_t n = thread_number();
    if (n >= packs) return;
    const place p = place_of<V>(n, dim / V);
    const int64_t image = sim_quotient(p.row, 1 + taken), token = p.row - image * (1 + taken);
    float v[V], add[V];
    if (token == 0) {
        sim_load<V>(v, cls + p.column);
        sim_load<V>(add, pos + p.column);
    } else {
        const int64_t from = image * taken + token - 1, l = index ? index[from] : token - 1;
        sim_load<V>(v, x + from * dim + p.column);
        sim_load<V>(add, pos + (1 + l) * dim + p.column);
    }
    SIM_UNROLL for (int k = 0; k < V; k++) v[k] += add[k];
    sim_store<V>(y + n * V, v);
}

void sim_k_embed_tokens(sim_stream s, enum sim_element act, void *y, const void *x, const float *cls,
                        const float *pos, const int32_t *index, int64_t batch, int64_t taken, int64_t dim)
{
    const int64_t count = batch * (1 + taken) * dim;
    SIM_BY_TYPE(act, dim, sim_on_16(y, x, cls, pos), {
        LAUNCH_PACKS((k_embed_tokens<T, V>), count, s, (T *)y, (const T *)x, cls, pos, index, count / V,
                     taken, dim);
    });
}

template <class T, int V>
__global__ void k_join_queries(T *y, const T *z, const float *pos, const int32_t *index,
                               const float *mask_token, const T *where, int64_t packs, int64_t taken,
                               int64_t patches, int64_t dim)
{
    const int64_t n = thread_number();
    if (n >= packs) return;
    const place p = place_of<V>(n, dim / V);
    const int64_t tokens = 1 + taken + patches, image = sim_quotient(p.row, tokens),
                  token = p.row - image * tokens;
    float v[V], add[V];
    if (token <= taken) {
        const int64_t l = token == 0 ? -1 : index ? index[image * taken + token - 1] : token - 1;
        sim_load<V>(v, z + (image * (1 + taken) + token) * dim + p.column);
        sim_load<V>(add, pos + (1 + l) * dim + p.column);
    } else {
        sim_load<V>(v, where + (image * patches + token - 1 - taken) * dim + p.column);
        sim_load<V>(add, mask_token + p.column);
    }
    SIM_UNROLL for (int k = 0; k < V; k++) v[k] += add[k];
    sim_store<V>(y + n * V, v);
}

void sim_k_join_queries(sim_stream s, enum sim_element act, void *y, const void *z, const float *pos,
                        const int32_t *index, const float *mask_token, const void *where, int64_t batch,
                        int64_t taken, int64_t patches, int64_t dim)
{
    const int64_t count = batch * (1 + taken + patches) * dim;
    SIM_BY_TYPE(act, dim, sim_on_16(y, z, pos, mask_token, where), {
        LAUNCH_PACKS((k_join_queries<T, V>), count, s, (T *)y, (const T *)z, pos, index, mask_token,
                     (const T *)where, count / V, taken, patches, dim);
    });
}

/* ------------------------------------------------------------------ rows of images */

/* Launches one of the kernels (y, x, packs, ...) below, whose y has `count` elements in rows of the
 * caller's `dim`. */
#define LAUNCH_ROWS(kernel, count, stream, act, y, x, ...)                                                   \
    SIM_BY_TYPE(act, dim, sim_on_16(y, x), {                                                                 \
        LAUNCH_PACKS((kernel<T, V>), count, stream, (T *)(y), (const T *)(x), (count) / V, __VA_ARGS__);     \
    })

template <class T, int V>
__global__ void k_take_rows(T *y, const T *x, int64_t packs, int64_t tokens, int64_t first, int64_t count,
                            int64_t dim)
{
    const int64_t n = thread_number();
    if (n >= packs) return;
    const place p = place_of<V>(n, dim / V);
    const int64_t image = sim_quotient(p.row, count);
    float v[V];
    sim_load<V>(v, x + (image * tokens + first + p.row - image * count) * dim + p.column);
    sim_store<V>(y + n * V, v);
}

void sim_k_take_rows(sim_stream s, enum sim_element act, void *y, const void *x, int64_t batch,
                     int64_t tokens, int64_t first, int64_t count, int64_t dim)
{
    LAUNCH_ROWS(k_take_rows, batch * count * dim, s, act, y, x, tokens, first, count, dim);
}

template <class T, int V>
__global__ void k_put_rows(T *y, const T *x, int64_t packs, int64_t tokens, int64_t first, int64_t count,
                           int64_t dim)
{
    const int64_t n = thread_number();
    if (n >= packs) return;
    const place p = place_of<V>(n, dim / V);
    const int64_t image = sim_quotient(p.row, tokens), token = p.row - image * tokens - first;
    float v[V] = {};
    if (token >= 0 && token < count) sim_load<V>(v, x + (image * count + token) * dim + p.column);
    sim_store<V>(y + n * V, v);
}

void sim_k_put_rows(sim_stream s, enum sim_element act, void *y, const void *x, int64_t batch, int64_t tokens,
                    int64_t first, int64_t count, int64_t dim)
{
    LAUNCH_ROWS(k_put_rows, batch * tokens * dim, s, act, y, x, tokens, first, count, dim);
}

/* A thread adds up its columns over an image's rows, 16 at a time. */
template <class T, int V>
__global__ void k_mean_rows(T *y, const T *x, int64_t packs, int64_t tokens, int64_t first, int64_t count,
                            int64_t dim)
{
    const int64_t n = thread_number();
    if (n >= packs) return;
    const place p = place_of<V>(n, dim / V); /* its row is the image */
    const T *const from = x + (p.row * tokens + first) * dim + p.column;
    float total[V] = {};
    for (int64_t r0 = 0; r0 < count; r0 += 16) {
        float part[V] = {};
        SIM_UNROLL_4 for (int64_t r = r0; r < min(r0 + 16, count); r++)
        {
            float v[V];
            sim_load<V>(v, from + r * dim);
            SIM_UNROLL for (int k = 0; k < V; k++) part[k] += v[k];
        }
        SIM_UNROLL for (int k = 0; k < V; k++) total[k] += part[k];
    }
    SIM_UNROLL for (int k = 0; k < V; k++) total[k] /= (float)count;
    sim_store<V>(y + n * V, total);
}

void sim_k_mean_rows(sim_stream s, enum sim_element act, void *y, const void *x, int64_t batch,
                     int64_t tokens, int64_t first, int64_t count, int64_t dim)
{
    LAUNCH_ROWS(k_mean_rows, batch * dim, s, act, y, x, tokens, first, count, dim);
}

template <class T, int V>
__global__ void k_mean_rows_backward(T *dx, const T *dy, int64_t packs, int64_t tokens, int64_t dim)
{
    const int64_t n = thread_number();
    if (n >= packs) return;
    const place p = place_of<V>(n, dim / V);
    float v[V];
    sim_load<V>(v, dy + sim_quotient(p.row, tokens) * dim + p.column);
    SIM_UNROLL for (int k = 0; k < V; k++) v[k] /= (float)tokens;
    sim_store<V>(dx + n * V, v);
}

void sim_k_mean_rows_backward(sim_stream s, enum sim_element act, void *dx, const void *dy, int64_t batch,
                              int64_t tokens, int64_t dim)
{
    LAUNCH_ROWS(k_mean_rows_backward, batch * tokens * dim, s, act, dx, dy, tokens, dim);
}
