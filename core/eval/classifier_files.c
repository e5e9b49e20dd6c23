/* A classifier's weights from elsewhere and out into files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "classifier.h"

static int belongs_to_head(const char *name)
{
    return strncmp(name, "fc_norm.", 8) == 0 || strncmp(name, "head.", 5) == 0;
}

sim_status sim_classifier_take_encoder(struct sim_classifier *c, const struct sim_params *from)
{
    struct sim_params *p = sim_classifier_params(c);
    SIM_TRY(sim_params_fetch(from, SIM_FETCH_VALUES));
    for (int r = 0; r < p->count; r++) {
        const struct sim_param *row = &p->row[r];
        if (belongs_to_head(row->name)) continue;
        int other = sim_params_find_encoder(from, row->name);
        if (other < 0)
            return sim_fail(SIM_EINVAL, "fine-tuning needs %s, which the encoder lacks", row->name);
        if (from->row[other].count != row->count)
            return sim_fail(SIM_EINVAL, "fine-tuning needs %s of %ld numbers, the encoder's has %ld",
                            row->name, (long)row->count, (long)from->row[other].count);
        memcpy(p->host.value + row->offset, from->host.value + from->row[other].offset,
               (size_t)row->count * sizeof(float));
    }
    return sim_params_store(p);
}

/* A head that is there must be for these classes: said in words, before shapes are compared. */
static sim_status check_head(const struct sim_params *p, const struct sim_tensors *file, const char *path,
                             int needed)
{
    const struct sim_tensor *head = sim_tensors_find(file, "head.weight");
    const struct sim_param *row = &p->row[sim_params_find(p, "head.weight")];
    if (!head && needed)
        return sim_fail(SIM_EINVAL,
                        "%s holds an encoder without a head (head.weight), which names no class before it is "
                        "fine-tuned: finetune.epochs of 1 or more does that",
                        path);
    if (!head || head->dims != 2 || head->shape[0] == row->shape[0]) return SIM_OK;
    return sim_fail(
        SIM_EINVAL,
        "%s: its head tells %ld classes apart, these images are of %ld: give it an encoder without a head, "
        "or the images it was trained on",
        path, (long)head->shape[0], (long)row->shape[0]);
}

static sim_status load(struct sim_params *p, const struct sim_tensors *file, const char *path, int needs_head)
{
    const int with_head = sim_tensors_find(file, "head.weight") != NULL;
    const struct sim_tensor *t;
    SIM_TRY(check_head(p, file, path, needs_head));
    for (int r = 0; r < p->count; r++) {
        const struct sim_param *row = &p->row[r];
        if (!with_head && belongs_to_head(row->name)) continue;
        SIM_TRY(sim_tensors_expect(file, row->name, SIM_F32, row->dims, row->shape, &t));
        memcpy(p->host.value + row->offset, t->data, (size_t)row->count * sizeof(float));
    }
    return sim_params_store(p);
}

sim_status sim_classifier_load(struct sim_classifier *c, const char *path, int needs_head)
{
    struct sim_params *p = sim_classifier_params(c);
    struct sim_tensors *file;
    SIM_TRY(sim_tensors_open(&file, path));
    SIM_TRY(sim_params_fetch(p, SIM_FETCH_VALUES)); /* rows that the file lacks stay as they are */
    sim_status status = load(p, file, path, needs_head);
    sim_tensors_close(file);
    return status;
}

sim_status sim_classifier_write(struct sim_classifier *c, const char *path, const char *const *metadata)
{
    struct sim_tensor *t;
    int count;
    SIM_TRY(sim_params_tensors(sim_classifier_params(c), &t, &count));
    sim_status status = sim_tensors_write(path, t, count, metadata);
    free(t);
    return status;
}
