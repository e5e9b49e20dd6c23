/* Operation tests as a table (after ggml's and benchdnn's): an `operation` says which buffers it reads and
 * writes, what their true values are in double precision, and how to call it; every shape and variant of it
 * then gets, on every subject (a backend with an instruction set) and number of threads:
 *   - outputs within rounding of the reference; gradients equal to finite differences of the double
 * reference,
 *   - sentinels around every buffer, and in the gaps of strided rows, untouched; inputs untouched,
 *   - outputs full of NaN before the call, so that nothing is read that should be written,
 *   - the same bytes from every run of a subject, whatever the number of threads,
 *   - subjects that agree with each other.
 * A failure prints the line that repeats it alone; SIM_CASE takes any other shape, variant and seed as well:
 *   SIM_CASE='linear_gelu 65x48x20 variant 1 seed 7' build/tests/ops/test_products
 *
 * A new backend adds itself in subjects.c; the cases stay as they are. */
#ifndef SIM_TRIAL_H
#define SIM_TRIAL_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_ACT float /* on a bfloat16 subject, memory that holds activations is half as large */
#include "ops.h"
#include "rng.h"
#include "support.h"

/* ---- subjects: what is put to the test */

enum { TRIAL_RUNS = 3, TRIAL_SUBJECTS = 5 };

/* What a run is made with; the bytes it leaves depend on `apart` alone. */
struct run {
    int threads; /* OpenMP threads */
    int apart;   /* elements between the start of an allocation and the buffer in it */
    int falling; /* an emulated device runs a block's threads from the last: what lacks a barrier shows */
};

struct subject {
    struct sim_ops ops;
    struct run run[TRIAL_RUNS];
    int runs;
    int bf16; /* activations are bfloat16 */
};

/* Opens every subject of this program, those of float32 first: the CPU's instruction sets, then cuda in fp32
 * and in bf16 where it is compiled in (in `make test` over the emulated device, in gpu-check over a GPU).
 * Returns how many; *floats, where not NULL, becomes how many of them keep activations in float32. */
int subjects_open(struct subject list[TRIAL_SUBJECTS], int *floats);
void subjects_close(struct subject *list, int count);

/* The subject's memory, which may not be the host's; transfers wait. */
void *subject_take(const struct subject *s, size_t bytes);
void subject_release(const struct subject *s, void *device);
void subject_upload(const struct subject *s, void *device, const void *host, size_t bytes);
void subject_download(const struct subject *s, void *host, const void *device, size_t bytes);
/* Memory with these floats; with these activations (rounded); and without contents. */
float *subject_floats(const struct subject *s, const float *host, int64_t count);
float *subject_acts(const struct subject *s, const float *host, int64_t count);
float *subject_empty_acts(const struct subject *s, int64_t count);
/* Waits for the operations and reads. */
void subject_read(const struct subject *s, float *host, const float *device, int64_t count);
void subject_read_acts(const struct subject *s, float *host, const float *device, int64_t count);
/* A number as the subject's activations keep it. */
float subject_round(const struct subject *s, float x);

/* ---- trials: one operation, one shape, one variant, one seed */

enum { TRIAL_DIMS = 6, TRIAL_BUFFERS = 24 };

enum role {
    ABSENT, /* the operation gets NULL */
    INPUT,
    OUTPUT,
    IN_OUT,
    SCRATCH, /* written by the operation, in a form of its own */
    HIDDEN /* the reference's alone: a variable to which there is a gradient but which the operation does not
              read */
};

struct buffer {
    const char *name;
    enum role role;
    int integers;           /* start and got hold int32_t */
    int act;                /* activations: rounded to bfloat16 where t->bf16 */
    int parameter;          /* weights of products: the same, and weights_changed is called for it */
    int64_t rows, cols, ld; /* elements between the starts of rows; a plain buffer is one row */
    float *start;           /* (rows, ld) contents before the call */
    double *real;           /* (rows, cols) the same for the references */
    double *want;           /* (rows, cols) true contents after the call */
    float *got, *first;     /* (rows, ld) contents after this call, and after the first subject's first */
    double floor;     /* errors are measured against this where the true values are smaller; 0: against those
                         alone */
    int same_as;      /* index of the input whose memory this output shares, or -1 */
    int gradient_of;  /* index of the buffer this is the loss's gradient of, or -1 */
    int by_direction; /* too many entries for `want`: checked along random directions */
    void *device;     /* guards and rows in the subject's memory */
};

struct operation;

struct trial {
    const struct operation *op;
    int64_t n[TRIAL_DIMS]; /* the shape, in the operation's own order */
    int variant;
    uint64_t seed;
    int bf16; /* for the subjects of bfloat16: inputs are representable in it */
    int apart;
    struct sim_rng rng;
    struct buffer b[TRIAL_BUFFERS];
    int count;
    double work; /* multiplications of one `loss`, for choosing between all entries and directions */
    double result, want_result;  /* of operations that leave a number in the scalars */
    struct sim_scalars *scalars; /* in the subject's memory, zeroed before the call; result is its `loss` */
};

struct operation {
    const char *name;
    const char *dims; /* what the shape's numbers mean: "rows in out" */
    const int64_t (*shapes)[TRIAL_DIMS];
    int shape_count;
    int variants; /* every shape is tried with variants 0 .. variants-1 */
    /* Declares the buffers, in the order of the file's own enum. */
    void (*declare)(struct trial *t);
    /* Fills `want` (and want_result) of what is no gradient from `real`; NULL where all outputs are
     * gradients. */
    void (*reference)(struct trial *t);
    /* The scalar whose gradients the backward makes, from `real`; NULL without gradients. */
    double (*loss)(struct trial *t);
    void (*call)(struct trial *t, const struct sim_ops *o);
    int exact;        /* outputs equal the reference rounded to float */
    double nmse, max; /* bounds of the normalised mean squared error and of the largest error over the largest
                       * value; 0: 2e-13 and 1e-6.  Activations in bfloat16: those of rounding them once, */
    double coarse;    /* times this where what lies between is rounded as well (0: 1); other outputs and the
                       * result are then held to 1e-3 and 4e-3 of themselves */
};

/* Declaring buffers, in `declare`; each returns the buffer's index.  Inputs are standard normal. */
int trial_input(struct trial *t, const char *name, int64_t count);
int trial_matrix(struct trial *t, const char *name, enum role role, int64_t rows, int64_t cols, int64_t ld);
int trial_output(struct trial *t, const char *name, int64_t count);
int trial_in_out(struct trial *t, const char *name, int64_t count);
int trial_hidden(struct trial *t, const char *name, int64_t count);
int trial_absent(struct trial *t, const char *name);
/* `count` of 0..limit-1 for each of `batch` images, without repeats, unordered. */
int trial_index(struct trial *t, const char *name, int64_t batch, int64_t count, int64_t limit);
/* Gradient with respect to buffer `of`; with accumulate it is added to what was there. */
int trial_gradient(struct trial *t, const char *name, int of, int accumulate);
/* Puts an output into the memory of an input of the same size. */
void trial_alias(struct trial *t, int output, int input);
/* Declares a buffer to hold activations, or weights of products; returns it.  Gradients are what their
 * variables are, of parameters float32. */
int trial_act(struct trial *t, int buffer);
int trial_parameter(struct trial *t, int buffer);
int trial_scratch(struct trial *t, const char *name, int64_t count);
/* Changes an input's value (rounded to what the buffer holds). */
void trial_set(struct trial *t, int buffer, int64_t at, double value);

/* The subject's memory of a buffer, in `call`; NULL where absent. */
float *trial_f(struct trial *t, int buffer);
int32_t *trial_i(struct trial *t, int buffer);
static inline double *trial_real(struct trial *t, int buffer)
{
    return t->b[buffer].real;
}
static inline const int32_t *trial_indices(struct trial *t, int buffer)
{
    return t->b[buffer].role == ABSENT ? NULL : (const int32_t *)t->b[buffer].start;
}

/* For an operation's `loss`: <dy, y>, where `forward` makes y, as large as buffer dy and zero before, from
 * `real`. */
double trial_loss(struct trial *t, void (*forward)(struct trial *t, double *y), int dy);

/* Runs every shape and variant (or the one that SIM_CASE names) on every subject; SIM_RANDOM_SHAPES=N in the
 * environment adds N shapes drawn with SIM_RANDOM_SEED (1). */
void trial_operation(const struct operation *op);
/* Draws a shape (random_shapes.c); 0: a dimension's name is not known there. */
int trial_random_shape(const struct operation *op, struct sim_rng *r, int64_t n[TRIAL_DIMS]);
#define TRIAL_COUNT(a) ((int)(sizeof(a) / sizeof *(a)))
/* The two fields of an operation that its list of shapes fills. */
#define TRIAL_SHAPES(list) .shapes = list, .shape_count = TRIAL_COUNT(list)

#endif
