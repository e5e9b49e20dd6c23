#include "checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POSITION_NUMBERS = 6 };

/* One moment of every trained row as tensors; names are made in `names`. */
static int moment_tensors(const struct sim_params *p, const float *moment, const char *prefix,
                          struct sim_tensor *out, char (*names)[160])
{
    int n = 0;
    for (int r = 0; r < p->count; r++) {
        const struct sim_param *row = &p->row[r];
        if (row->gradient < 0) continue;
        snprintf(names[n], sizeof *names, "%s.%s", prefix, row->name);
        out[n] = (struct sim_tensor){.name = names[n],
                                     .dtype = SIM_F32,
                                     .dims = row->dims,
                                     .count = row->count,
                                     .data = moment + row->gradient};
        memcpy(out[n].shape, row->shape, sizeof row->shape);
        n++;
    }
    return n;
}

/* Everything a checkpoint holds, pointing into the table; *names and *out are the caller's to free. */
static sim_status all_tensors(const struct sim_params *p, const double *numbers, struct sim_tensor **out,
                              int *count, char (**names)[160])
{
    struct sim_tensor *state = NULL;
    int n = 0;
    SIM_TRY(sim_params_fetch(p, SIM_FETCH_MOMENTS));
    SIM_TRY(sim_params_tensors(p, &state, &n));
    *names = calloc((size_t)p->count * 2 + 1, sizeof **names);
    *out = realloc(state, (size_t)(n + 2 * p->count + 1) * sizeof **out);
    if (!*names || !*out) {
        free(*names);
        free(*out ? *out : state);
        return sim_fail(SIM_ENOMEM, "no memory for a checkpoint's list of tensors");
    }
    int m = moment_tensors(p, p->host.moment1, "optimizer.exp_avg", *out + n, *names);
    n += m;
    n += moment_tensors(p, p->host.moment2, "optimizer.exp_avg_sq", *out + n, *names + m);
    (*out)[n++] = (struct sim_tensor){.name = "train.position",
                                      .dtype = SIM_F64,
                                      .dims = 1,
                                      .shape = {POSITION_NUMBERS},
                                      .count = POSITION_NUMBERS,
                                      .data = numbers};
    *count = n;
    return SIM_OK;
}

sim_status sim_checkpoint_save(const char *path, const struct sim_params *params,
                               const struct sim_position *at, const char *config_hash)
{
    const double numbers[POSITION_NUMBERS] = {(double)at->step, (double)at->steps_per_epoch,
                                              at->loss_sum,     at->grad_norm_sum,
                                              at->last_lr,      at->last_momentum};
    struct sim_tensor *t;
    char(*names)[160];
    int count = 0;
    SIM_TRY(all_tensors(params, numbers, &t, &count, &names));
    sim_status s = sim_tensors_write(
        path, t, count,
        (const char *const[]){"format", "pt", "config_hash", config_hash ? config_hash : "", NULL});
    free(t);
    free(names);
    return s;
}

static sim_status load(const struct sim_tensors *file, const char *path, struct sim_params *params,
                       struct sim_position *at, int64_t steps_per_epoch, const char *config_hash)
{
    const char *hash = sim_tensors_metadata(file, "config_hash");
    if (config_hash && (!hash || strcmp(hash, config_hash) != 0))
        return sim_fail(SIM_EINVAL,
                        "%s belongs to configuration %s, this run is %s: use another --out, or start afresh",
                        path, hash ? hash : "(none)", config_hash);
    const struct sim_tensor *t;
    SIM_TRY(sim_tensors_expect(file, "train.position", SIM_F64, 1, (int64_t[]){POSITION_NUMBERS}, &t));
    double numbers[POSITION_NUMBERS];
    memcpy(numbers, t->data, sizeof numbers);
    for (int i = 0; i < 2; i++) /* before they become integers */
        if (!(numbers[i] >= 0 && numbers[i] <= 0x1p53) || numbers[i] != floor(numbers[i]))
            return sim_fail(SIM_EFORMAT, "%s: train.position holds %g where a count of steps belongs", path,
                            numbers[i]);
    *at = (struct sim_position){(int64_t)numbers[0], (int64_t)numbers[1], numbers[2],
                                numbers[3],          numbers[4],          numbers[5]};
    if (at->steps_per_epoch != steps_per_epoch)
        return sim_fail(SIM_EINVAL, "%s counts %ld steps an epoch, this data set gives %ld", path,
                        (long)at->steps_per_epoch, (long)steps_per_epoch);
    SIM_TRY(sim_params_load(params, file));
    for (int r = 0; r < params->count; r++) {
        const struct sim_param *row = &params->row[r];
        char name[160];
        if (row->gradient < 0) continue;
        snprintf(name, sizeof name, "optimizer.exp_avg.%s", row->name);
        SIM_TRY(sim_tensors_expect(file, name, SIM_F32, row->dims, row->shape, &t));
        memcpy(params->host.moment1 + row->gradient, t->data, (size_t)row->count * sizeof(float));
        snprintf(name, sizeof name, "optimizer.exp_avg_sq.%s", row->name);
        SIM_TRY(sim_tensors_expect(file, name, SIM_F32, row->dims, row->shape, &t));
        memcpy(params->host.moment2 + row->gradient, t->data, (size_t)row->count * sizeof(float));
    }
    return sim_params_store(params);
}

sim_status sim_checkpoint_load(const char *path, struct sim_params *params, struct sim_position *at,
                               int64_t steps_per_epoch, const char *config_hash)
{
    struct sim_tensors *file;
    SIM_TRY(sim_tensors_open(&file, path));
    sim_status s = load(file, path, params, at, steps_per_epoch, config_hash);
    sim_tensors_close(file);
    return s;
}
