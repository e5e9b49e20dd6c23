#include "linear_state.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "safetensors.h"

enum { TENSORS = 7, NUMBERS = 8 };

/* What the file holds, over the head's memory and the numbers. */
static void list(struct sim_tensor t[TENSORS], const struct sim_linear_head *h, const double *numbers)
{
    const int64_t d = h->shape.dim, c = h->shape.classes;
    const struct sim_tensor all[TENSORS] = {
        {.name = "bn.running_mean", .dims = 1, .shape = {d}, .data = h->running_mean},
        {.name = "bn.running_var", .dims = 1, .shape = {d}, .data = h->running_var},
        {.name = "head.weight", .dims = 2, .shape = {c, d}, .data = h->w},
        {.name = "head.bias", .dims = 1, .shape = {c}, .data = h->b},
        {.name = "optimizer.head.weight", .dims = 2, .shape = {c, d}, .data = h->speed},
        {.name = "optimizer.head.bias", .dims = 1, .shape = {c}, .data = h->speed + c * d},
        {.name = "probe.position", .dtype = SIM_F64, .dims = 1, .shape = {NUMBERS}, .data = numbers},
    };
    memcpy(t, all, sizeof all);
}

sim_status sim_linear_state_write(const char *path, const char *identity, const struct sim_linear_head *h,
                                  const struct sim_linear_state *s)
{
    const double numbers[NUMBERS] = {(double)s->epoch,   (double)s->steps, (double)s->rows,
                                     (double)s->right,   (double)s->best,  (double)s->best_epoch,
                                     (double)s->skipped, s->loss};
    struct sim_tensor t[TENSORS];
    list(t, h, numbers);
    return sim_tensors_write(path, t, TENSORS,
                             (const char *const[]){"format", "pt", "identity", identity, NULL});
}

/* Every tensor is found before any is taken. */
static sim_status load(const struct sim_tensors *file, const char *path, struct sim_linear_head *h,
                       struct sim_linear_state *s)
{
    double numbers[NUMBERS] = {0};
    struct sim_tensor t[TENSORS];
    const struct sim_tensor *found[TENSORS];
    list(t, h, numbers);
    for (int i = 0; i < TENSORS; i++)
        SIM_TRY(sim_tensors_expect(file, t[i].name, t[i].dtype, t[i].dims, t[i].shape, &found[i]));
    memcpy(numbers, found[TENSORS - 1]->data, sizeof numbers);
    for (int i = 0; i < NUMBERS; i++)
        if (!(fabs(numbers[i]) < 1e15) ||
            (i < NUMBERS - 1 && (numbers[i] < 0 || rint(numbers[i]) != numbers[i])))
            return sim_fail(SIM_EFORMAT, "%s: number %d of probe.position is %g, which counts nothing", path,
                            i, numbers[i]);
    for (int i = 0; i < TENSORS - 1; i++) /* the list points into the head's own memory */
        memcpy((void *)(uintptr_t)t[i].data, found[i]->data, (size_t)found[i]->count * sizeof(float));
    *s = (struct sim_linear_state){.epoch = (int64_t)numbers[0],
                                   .steps = (int64_t)numbers[1],
                                   .rows = (int64_t)numbers[2],
                                   .right = (int64_t)numbers[3],
                                   .best = (int64_t)numbers[4],
                                   .best_epoch = (int64_t)numbers[5],
                                   .skipped = (int64_t)numbers[6],
                                   .loss = numbers[7]};
    return SIM_OK;
}

sim_status sim_linear_state_read(const char *path, const char *identity, struct sim_linear_head *h,
                                 struct sim_linear_state *s)
{
    struct sim_tensors *file;
    if (access(path, F_OK) != 0) return SIM_OK;
    SIM_TRY(sim_tensors_open(&file, path));
    const char *whose = sim_tensors_metadata(file, "identity");
    sim_status status = whose && strcmp(whose, identity) == 0 ? load(file, path, h, s) : SIM_OK;
    sim_tensors_close(file);
    return status;
}
