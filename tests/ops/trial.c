#include "trial.h"

#include <errno.h>
#include <math.h>
#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/bfloat16.h"

/* Elements checked on either side of a buffer; runs place it `apart` from its allocation's start, off every
 * vector's boundary or on one. */
enum { GUARD = 19 };
/* Both NaN, told apart by their bits, in float32 and in the upper half of it that is bfloat16. */
static const uint32_t guard_bits = 0xffc5a5a5u, unset_bits = 0x7fc00000u;

/* ------------------------------------------------------------------ declaring */

static void *checked_calloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p) ck_abort_msg("no memory for a test");
    return p;
}

static void fill_bits(void *at, int64_t count, uint32_t bits)
{
    for (int64_t i = 0; i < count; i++) memcpy((char *)at + 4 * i, &bits, 4);
}

int trial_matrix(struct trial *t, const char *name, enum role role, int64_t rows, int64_t cols, int64_t ld)
{
    ck_assert_msg(t->count < TRIAL_BUFFERS, "%s declares more than %d buffers", t->op->name, TRIAL_BUFFERS);
    struct buffer *b = &t->b[t->count];
    *b = (struct buffer){
        .name = name, .role = role, .rows = rows, .cols = cols, .ld = ld, .same_as = -1, .gradient_of = -1};
    b->start = checked_calloc((size_t)(rows * ld), sizeof *b->start);
    b->got = checked_calloc((size_t)(rows * ld), sizeof *b->got);
    b->first = checked_calloc((size_t)(rows * ld), sizeof *b->first);
    b->real = checked_calloc((size_t)(rows * cols), sizeof *b->real);
    b->want = checked_calloc((size_t)(rows * cols), sizeof *b->want);
    const int unset = role == OUTPUT || role == SCRATCH;
    fill_bits(b->start, rows * ld, unset ? unset_bits : guard_bits);
    for (int64_t r = 0; !unset && r < rows; r++)
        for (int64_t c = 0; c < cols; c++) trial_set(t, t->count, r * cols + c, sim_rng_normal(&t->rng));
    for (int64_t r = 0; unset && r < rows; r++) fill_bits(b->start + r * ld + cols, ld - cols, guard_bits);
    return t->count++;
}

void trial_set(struct trial *t, int buffer, int64_t at, double value)
{
    struct buffer *b = &t->b[buffer];
    float f = (float)value;
    if (t->bf16 && (b->act || b->parameter)) f = sim_bf16_widen(sim_bf16_round(f));
    b->start[at / b->cols * b->ld + at % b->cols] = f;
    b->real[at] = b->role == HIDDEN ? value : (double)f;
}

static void round_again(struct trial *t, int buffer)
{
    const struct buffer *b = &t->b[buffer];
    if (b->role != INPUT && b->role != IN_OUT) return;
    for (int64_t i = 0; t->bf16 && i < b->rows * b->cols; i++) trial_set(t, buffer, i, b->real[i]);
}

int trial_act(struct trial *t, int buffer)
{
    t->b[buffer].act = 1;
    round_again(t, buffer);
    return buffer;
}

int trial_parameter(struct trial *t, int buffer)
{
    t->b[buffer].parameter = 1;
    round_again(t, buffer);
    return buffer;
}

int trial_scratch(struct trial *t, const char *name, int64_t count)
{
    return trial_matrix(t, name, SCRATCH, 1, count, count);
}

int trial_input(struct trial *t, const char *name, int64_t count)
{
    return trial_matrix(t, name, INPUT, 1, count, count);
}

int trial_output(struct trial *t, const char *name, int64_t count)
{
    return trial_matrix(t, name, OUTPUT, 1, count, count);
}

int trial_in_out(struct trial *t, const char *name, int64_t count)
{
    return trial_matrix(t, name, IN_OUT, 1, count, count);
}

int trial_hidden(struct trial *t, const char *name, int64_t count)
{
    return trial_matrix(t, name, HIDDEN, 1, count, count);
}

int trial_absent(struct trial *t, const char *name)
{
    return trial_matrix(t, name, ABSENT, 0, 1, 1);
}

int trial_index(struct trial *t, const char *name, int64_t batch, int64_t count, int64_t limit)
{
    int i = trial_matrix(t, name, INPUT, 1, batch * count, batch * count);
    uint32_t *order = checked_calloc((size_t)limit, sizeof *order);
    t->b[i].integers = 1;
    for (int64_t n = 0; n < batch; n++) {
        sim_rng_permutation(&t->rng, (uint32_t)limit, order);
        memcpy(t->b[i].start + n * count, order, (size_t)count * sizeof *order);
    }
    free(order);
    return i;
}

int trial_gradient(struct trial *t, const char *name, int of, int accumulate)
{
    int64_t count = t->b[of].rows * t->b[of].cols;
    int i = trial_matrix(t, name, accumulate ? IN_OUT : OUTPUT, 1, count, count);
    t->b[i].gradient_of = of;
    return t->b[of].act ? trial_act(t, i) : i;
}

void trial_alias(struct trial *t, int output, int input)
{
    struct buffer *to = &t->b[output], *from = &t->b[input];
    ck_assert_int_eq(to->rows * to->ld, from->rows * from->ld);
    ck_assert_int_eq(to->act, from->act);
    to->same_as = input;
    memcpy(to->start, from->start, (size_t)(from->rows * from->ld) * sizeof *to->start);
    memcpy(to->real, from->real, (size_t)(from->rows * from->cols) * sizeof *to->real);
}

static void trial_close(struct trial *t)
{
    for (int i = 0; i < t->count; i++) {
        struct buffer *b = &t->b[i];
        free(b->start), free(b->got), free(b->first), free(b->real), free(b->want);
    }
}

/* ------------------------------------------------------------------ what is true */

double trial_loss(struct trial *t, void (*forward)(struct trial *t, double *y), int dy)
{
    const int64_t count = t->b[dy].rows * t->b[dy].cols;
    double *y = checked_calloc((size_t)count, sizeof *y), loss = 0;
    forward(t, y);
    for (int64_t i = 0; i < count; i++) loss += y[i] * trial_real(t, dy)[i];
    free(y);
    return loss;
}

/* Derivative of the loss along `direction` (NULL: along entry `at`) of a buffer; five-point stencil. */
static double slope_of_loss(struct trial *t, struct buffer *x, int64_t at, const double *direction)
{
    const double step = 3e-4, weight[] = {1, -8, 8, -1};
    const int place[] = {-2, -1, 1, 2};
    int64_t count = x->rows * x->cols;
    double total = 0, kept = direction ? 0 : x->real[at], *saved = NULL;
    if (direction) {
        saved = checked_calloc((size_t)count, sizeof *saved);
        memcpy(saved, x->real, (size_t)count * sizeof *saved);
    }
    for (int i = 0; i < 4; i++) {
        if (!direction) x->real[at] = kept + place[i] * step;
        for (int64_t k = 0; direction && k < count; k++)
            x->real[k] = saved[k] + place[i] * step * direction[k];
        total += weight[i] * t->op->loss(t);
    }
    if (direction)
        memcpy(x->real, saved, (size_t)count * sizeof *saved);
    else
        x->real[at] = kept;
    free(saved);
    return total / (12 * step);
}

/* Every entry of a gradient by finite differences where that is affordable. */
static void true_gradient(struct trial *t, struct buffer *b)
{
    const double budget = 2e6; /* multiplications */
    struct buffer *x = &t->b[b->gradient_of];
    int64_t count = x->rows * x->cols;
    b->by_direction = 4 * (double)count * t->work > budget;
    for (int64_t i = 0; !b->by_direction && i < count; i++)
        b->want[i] = slope_of_loss(t, x, i, NULL) + (b->role == IN_OUT ? b->real[i] : 0);
}

/* ------------------------------------------------------------------ checking */

static void describe(const struct trial *t, char *out, size_t size)
{
    int used = snprintf(out, size, "%s ", t->op->name), dims = 1;
    for (const char *c = t->op->dims; *c; c++) dims += *c == ' ';
    for (int d = 0; d < dims; d++)
        used += snprintf(out + used, size - (size_t)used, "%s%lld", d ? "x" : "", (long long)t->n[d]);
    snprintf(out + used, size - (size_t)used, " variant %d seed %llu%s", t->variant,
             (unsigned long long)t->seed, t->bf16 ? " bf16" : "");
}

static void __attribute__((format(printf, 4, 5), noreturn))
trial_fail(const struct trial *t, const struct subject *s, int threads, const char *format, ...)
{
    char what[256], which[160];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    describe(t, which, sizeof which);
    ck_abort_msg("%s on %s %s%s, %d threads, %d elements apart (%s): %s\n  repeat: SIM_CASE='%s' %s",
                 t->op->name, s->ops.name, s->ops.isa, s->bf16 ? " bf16" : "", threads, t->apart, t->op->dims,
                 what, which, program_invocation_name);
}

/* Guards, gaps between rows, and inputs keep their bytes. */
static void check_surroundings(const struct trial *t, const struct subject *s, int threads,
                               const struct buffer *b, const float *guards)
{
    for (int i = 0; i < 2 * GUARD; i++)
        if (memcmp(guards + i, &guard_bits, 4) != 0)
            trial_fail(t, s, threads, "wrote %s %s", i < GUARD ? "before" : "after", b->name);
    for (int64_t r = 0; r < b->rows; r++)
        for (int64_t c = b->cols; c < b->ld; c++)
            if (memcmp(b->got + r * b->ld + c, &guard_bits, 4) != 0)
                trial_fail(t, s, threads, "wrote into the gap after row %lld of %s", (long long)r, b->name);
    int shared = 0;
    for (int i = 0; i < t->count; i++) shared |= t->b[i].same_as >= 0 && &t->b[t->b[i].same_as] == b;
    if (b->role == INPUT && !shared &&
        memcmp(b->got, b->start, (size_t)(b->rows * b->ld) * sizeof *b->got) != 0)
        trial_fail(t, s, threads, "changed its input %s", b->name);
}

/* Of the normalised mean squared error, and of the largest error over the largest value. */
struct bounds {
    double nmse, max;
};

static struct bounds bounds_of(const struct trial *t, const struct buffer *b)
{
    const struct bounds exact = {t->op->nmse > 0 ? t->op->nmse : 2e-13, t->op->max > 0 ? t->op->max : 1e-6};
    const double coarse = t->op->coarse > 1 ? t->op->coarse : 1;
    if (!t->bf16) return exact;
    if (b->act)
        return (struct bounds){2e-5 * coarse * coarse, 4.2e-3 * coarse}; /* one rounding: 2^-8 at most */
    return coarse > 1 ? (struct bounds){1e-6, 1e-3} : exact;
}

static void check_close(const struct trial *t, const struct subject *s, int threads, const struct buffer *b)
{
    const struct bounds bound = bounds_of(t, b);
    double error = 0, square = 0, largest = b->floor, worst = 0;
    int64_t count = b->rows * b->cols, at = 0;
    for (int64_t i = 0; i < count; i++) {
        float got = b->got[i / b->cols * b->ld + i % b->cols];
        double off = fabs((double)got - b->want[i]);
        if (t->op->exact && got != (b->act ? subject_round(s, (float)b->want[i]) : (float)b->want[i]))
            trial_fail(t, s, threads, "%s[%lld] is %.9g, not %.9g", b->name, (long long)i, (double)got,
                       b->want[i]);
        if (!isfinite(got) && isfinite((float)b->want[i]))
            trial_fail(t, s, threads, "%s[%lld] is %g, not %.9g", b->name, (long long)i, (double)got,
                       b->want[i]);
        if (off > worst) worst = off, at = i;
        error += off * off;
        square += b->want[i] * b->want[i];
        largest = fmax(largest, fabs(b->want[i]));
    }
    square = fmax(square, b->floor * b->floor * (double)count);
    if (!(error <= bound.nmse * square) || !(worst <= bound.max * largest))
        trial_fail(t, s, threads,
                   "%s: NMSE %.2e (bound %.0e), worst %.2e of %.2e (bound %.0e) at [%lld]: %.9g, not %.9g",
                   b->name, square > 0 ? error / square : INFINITY, bound.nmse, worst, largest, bound.max,
                   (long long)at, (double)b->got[at / b->cols * b->ld + at % b->cols], b->want[at]);
}

/* Random directions v: <gradient, v> against the loss's slope along v, relative to the gradient's length. */
static void check_directions(struct trial *t, const struct subject *s, int threads, struct buffer *b)
{
    enum { DIRECTIONS = 2 };
    /* rounding to bfloat16 is 1.6e-3 of a length, in a random direction; of a sum, of more than the
     * gradient's */
    const double bound = b->act && t->bf16 ? 1.2e-2 * fmax(t->op->coarse, 1) : bounds_of(t, b).max * 3;
    struct buffer *x = &t->b[b->gradient_of];
    int64_t count = x->rows * x->cols;
    double *v = checked_calloc((size_t)count, sizeof *v);
    for (int d = 0; d < DIRECTIONS; d++) {
        struct sim_rng rng =
            sim_rng_make(t->seed, SIM_PURPOSE_TEST, 1, (uint64_t)b->gradient_of, (uint32_t)d);
        double dot = 0, length = 0;
        for (int64_t i = 0; i < count; i++) {
            double g = (double)b->got[i] - (b->role == IN_OUT ? b->real[i] : 0);
            v[i] = sim_rng_normal(&rng);
            dot += g * v[i];
            length += g * g;
        }
        double slope = b->want[d]; /* the same for every subject: kept from the first */
        if (b->by_direction < 2) slope = b->want[d] = slope_of_loss(t, x, 0, v);
        if (!(fabs(dot - slope) <= bound * fmax(sqrt(length), b->floor * sqrt((double)count))))
            trial_fail(t, s, threads,
                       "%s along direction %d: %.9g, not %.9g (gradient's length %.3g, bound %.0e)", b->name,
                       d, dot, slope, sqrt(length), bound);
    }
    b->by_direction = 2;
    free(v);
}

/* Another subject's rounding may be another, its values not. */
static void check_agreement(const struct trial *t, const struct subject *s, int threads,
                            const struct buffer *b)
{
    double error = 0, square = b->floor * b->floor * (double)(b->rows * b->cols);
    for (int64_t r = 0; r < b->rows; r++)
        for (int64_t c = 0; c < b->cols; c++) {
            double one = b->first[r * b->ld + c], other = b->got[r * b->ld + c];
            error += (one - other) * (one - other);
            square += one * one;
        }
    double bound = 4 * bounds_of(t, b).nmse;
    if (!(error <= bound * square))
        trial_fail(t, s, threads, "%s differs from the first subject's: NMSE %.2e (bound %.0e)", b->name,
                   error / square, bound);
}

/* ------------------------------------------------------------------ running */

static size_t element_bytes(const struct trial *t, const struct buffer *b)
{
    return b->act && t->bf16 ? sizeof(uint16_t) : sizeof(float);
}

float *trial_f(struct trial *t, int buffer)
{
    struct buffer *b = &t->b[buffer];
    if (b->role == ABSENT) return NULL;
    if (b->same_as >= 0) b = &t->b[b->same_as];
    return (float *)((char *)b->device + (size_t)t->apart * element_bytes(t, b));
}

int32_t *trial_i(struct trial *t, int buffer)
{
    return (int32_t *)trial_f(t, buffer);
}

/* Whether a buffer has device memory of its own. */
static int owns(const struct buffer *b)
{
    return b->role != ABSENT && b->role != HIDDEN && b->same_as < 0;
}

/* The allocation of a buffer: `apart` elements, of which the last GUARD are checked, the buffer, GUARD more.
 */
static int64_t allocated(const struct trial *t, const struct buffer *b)
{
    return t->apart + b->rows * b->ld + GUARD;
}

static void upload(struct trial *t, const struct subject *s)
{
    for (int i = 0; i < t->count; i++) {
        struct buffer *b = &t->b[i];
        if (!owns(b)) continue;
        int64_t body = b->rows * b->ld, whole = allocated(t, b);
        float *image = checked_calloc((size_t)whole, sizeof *image);
        uint16_t *half = (uint16_t *)image;
        fill_bits(image, whole, guard_bits);
        memcpy(image + t->apart, b->start, (size_t)body * sizeof *image);
        for (int64_t k = 0; element_bytes(t, b) == 2 && k < whole; k++) {
            uint32_t bits; /* of what is representable, or one of the two patterns */
            memcpy(&bits, image + k, 4);
            half[k] = (uint16_t)(bits >> 16);
        }
        b->device = subject_take(s, (size_t)whole * element_bytes(t, b));
        subject_upload(s, b->device, image, (size_t)whole * element_bytes(t, b));
        free(image);
        if (b->parameter) s->ops.weights_changed(&s->ops, trial_f(t, i), body);
    }
}

static void download(struct trial *t, const struct subject *s, int threads)
{
    for (int i = 0; i < t->count; i++) {
        struct buffer *b = &t->b[i];
        if (!owns(b)) continue;
        int64_t body = b->rows * b->ld, whole = allocated(t, b);
        float *image = checked_calloc((size_t)whole, sizeof *image), guards[2 * GUARD];
        const uint16_t *half = (const uint16_t *)image;
        subject_download(s, image, b->device, (size_t)whole * element_bytes(t, b));
        subject_release(s, b->device);
        b->device = NULL;
        for (int64_t k = whole - 1; element_bytes(t, b) == 2 && k >= 0; k--) {
            uint32_t bits = half[k] == guard_bits >> 16 ? guard_bits : (uint32_t)half[k] << 16;
            memcpy(image + k, &bits, 4);
        }
        memcpy(b->got, image + t->apart, (size_t)body * sizeof *image);
        memcpy(guards, image + t->apart - GUARD, GUARD * sizeof *image);
        memcpy(guards + GUARD, image + t->apart + body, GUARD * sizeof *image);
        free(image);
        check_surroundings(t, s, threads, b, guards);
    }
    for (int i = 0; i < t->count; i++) {
        struct buffer *b = &t->b[i];
        if (b->same_as >= 0) memcpy(b->got, t->b[b->same_as].got, (size_t)(b->rows * b->ld) * sizeof *b->got);
    }
}

/* Calls the operation; leaves `got` and `result`. */
static void run_once(struct trial *t, const struct subject *s, struct run run)
{
    const struct sim_scalars nothing = {.halted = 0};
    struct sim_scalars left;
    t->apart = run.apart;
    omp_set_num_threads(run.threads);
    setenv("SIM_SHIM_ORDER", run.falling ? "falling" : "rising", 1);
    upload(t, s);
    t->scalars = subject_take(s, sizeof nothing);
    subject_upload(s, t->scalars, &nothing, sizeof nothing);
    t->op->call(t, &s->ops);
    if (s->ops.finish(&s->ops) != SIM_OK) trial_fail(t, s, run.threads, "failed: %s", sim_error_text());
    subject_download(s, &left, t->scalars, sizeof left);
    subject_release(s, t->scalars);
    t->result = left.loss;
    download(t, s, run.threads);
}

static void check_values(struct trial *t, const struct subject *s, int threads, int is_first)
{
    const double result_bound = t->bf16 && t->op->coarse > 1 ? 4e-3 : 2e-7;
    if (!(fabs(t->result - t->want_result) <= result_bound * fabs(t->want_result)))
        trial_fail(t, s, threads, "leaves %.12g, not %.12g", t->result, t->want_result);
    for (int i = 0; i < t->count; i++) {
        struct buffer *b = &t->b[i];
        if (b->role != OUTPUT && b->role != IN_OUT) continue;
        if (b->by_direction)
            check_directions(t, s, threads, b);
        else
            check_close(t, s, threads, b);
        if (is_first)
            memcpy(b->first, b->got, (size_t)(b->rows * b->ld) * sizeof *b->got);
        else
            check_agreement(t, s, threads, b);
    }
}

/* Runs that lie alike leave the same bytes. */
static void run_subject(struct trial *t, const struct subject *s, int is_first)
{
    float *kept[TRIAL_BUFFERS] = {0};
    double kept_result = 0;
    for (int run = 0; run < s->runs; run++) {
        const int threads = s->run[run].threads,
                  anew = run == 0 || s->run[run].apart != s->run[run - 1].apart;
        run_once(t, s, s->run[run]);
        if (anew) check_values(t, s, threads, is_first && run == 0);
        if (!anew && memcmp(&t->result, &kept_result, sizeof kept_result) != 0)
            trial_fail(t, s, threads, "leaves %.17g, before %.17g", t->result, kept_result);
        kept_result = t->result;
        for (int i = 0; i < t->count; i++) {
            struct buffer *b = &t->b[i];
            size_t bytes = (size_t)(b->rows * b->ld) * sizeof *b->got;
            if (b->role != OUTPUT && b->role != IN_OUT) continue;
            if (!anew && memcmp(kept[i], b->got, bytes) != 0)
                trial_fail(t, s, threads, "%s has other bytes than with %d threads", b->name,
                           s->run[run - 1].threads);
            if (!kept[i]) kept[i] = checked_calloc(bytes ? bytes : 1, 1);
            memcpy(kept[i], b->got, bytes);
        }
    }
    for (int i = 0; i < t->count; i++) free(kept[i]);
}

/* On subjects that keep activations alike. */
static void run_alike(const struct operation *op, const int64_t *shape, int variant, uint64_t seed,
                      const struct subject *subjects, int subject_count)
{
    struct trial t = {.op = op,
                      .variant = variant,
                      .seed = seed,
                      .bf16 = subjects[0].bf16,
                      .work = 1,
                      .rng = sim_rng_make(seed, SIM_PURPOSE_TEST, 0, 0, 0)};
    memcpy(t.n, shape, sizeof t.n);
    for (int d = 0; d < TRIAL_DIMS; d++) t.work *= t.n[d] ? (double)t.n[d] : 1;
    op->declare(&t);
    if (op->reference) op->reference(&t);
    for (int i = 0; i < t.count; i++)
        if (t.b[i].gradient_of >= 0 && t.b[i].role != ABSENT) true_gradient(&t, &t.b[i]);
    for (int s = 0; s < subject_count; s++) run_subject(&t, &subjects[s], s == 0);
    trial_close(&t);
}

static void run_trial(const struct operation *op, const int64_t *shape, int variant, uint64_t seed,
                      const struct subject *subjects, int subject_count)
{
    for (int s = 0, alike; s < subject_count; s += alike) {
        for (alike = 1; s + alike < subject_count && subjects[s + alike].bf16 == subjects[s].bf16;) alike++;
        run_alike(op, shape, variant, seed, subjects + s, alike);
    }
}

/* Every variant of a few random shapes, other ones for every operation. */
static void run_random(const struct operation *op, const struct subject *subjects, int subject_count)
{
    const char *shapes = getenv("SIM_RANDOM_SHAPES"), *seed = getenv("SIM_RANDOM_SEED");
    uint64_t drawn = seed ? strtoull(seed, NULL, 10) : 1, number = 0;
    for (const char *c = op->name; *c; c++) number = number * 31 + (unsigned char)*c;
    for (int i = 0; i < (shapes ? atoi(shapes) : 0); i++) {
        struct sim_rng r = sim_rng_make(drawn, SIM_PURPOSE_TEST, 0, number, (uint32_t)i);
        int64_t shape[TRIAL_DIMS];
        ck_assert_msg(trial_random_shape(op, &r, shape), "%s: random_shapes.c does not know all of \"%s\"",
                      op->name, op->dims);
        for (int v = 0; v < op->variants; v++)
            run_trial(op, shape, v, drawn + (uint64_t)(100 + i), subjects, subject_count);
    }
}

void trial_operation(const struct operation *op)
{
    struct subject subjects[TRIAL_SUBJECTS];
    const char *one = getenv("SIM_CASE");
    char name[64] = "";
    long long n[TRIAL_DIMS] = {0};
    int variant = 0, used = 0;
    unsigned long long seed = 1;
    if (one && (sscanf(one, "%63s %n", name, &used) < 1 || strcmp(name, op->name) != 0)) return;
    int count = subjects_open(subjects, NULL);
    if (one) {
        int64_t shape[TRIAL_DIMS] = {0};
        int wanted = 1,
            dims = sscanf(one + used, "%lldx%lldx%lldx%lldx%lldx%lld", n, n + 1, n + 2, n + 3, n + 4, n + 5);
        for (const char *c = op->dims; *c; c++) wanted += *c == ' ';
        ck_assert_msg(dims == wanted, "SIM_CASE='%s': %s takes %d numbers, %s, with x between them", one,
                      op->name, wanted, op->dims);
        for (int d = 0; d < dims; d++) shape[d] = n[d];
        const char *tail = strstr(one, "variant");
        if (tail) sscanf(tail, "variant %d seed %llu", &variant, &seed);
        run_trial(op, shape, variant, seed, subjects, count);
    } else {
        for (int s = 0; s < op->shape_count; s++)
            for (int v = 0; v < op->variants; v++)
                run_trial(op, op->shapes[s], v, (uint64_t)(s * op->variants + v + 1), subjects, count);
        run_random(op, subjects, count);
    }
    subjects_close(subjects, count);
}
