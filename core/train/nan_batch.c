#include "nan_batch.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

static int path_in(char out[PATH_MAX], const char *folder)
{
    return snprintf(out, PATH_MAX, "%s/nan_batch.json", folder) < PATH_MAX;
}

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_sprintf("%g", x); /* JSON has no word for it */
}

static json_t *images_json(const struct sim_source *source, const int64_t *index, int64_t count)
{
    json_t *list = json_array();
    for (int64_t i = 0; list && i < count; i++) {
        char name[PATH_MAX] = "";
        if (source->name) source->name(source->self, index[i], name, sizeof name);
        json_t *image = json_pack("{s:I}", "index", (json_int_t)index[i]);
        if (image && name[0]) json_object_set_new(image, "name", json_string(name));
        if (json_array_append_new(list, image) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

static sim_status write_json(const char *folder, const struct sim_nan_batch *what,
                             const struct sim_source *source, const int64_t *index, int64_t count)
{
    char path[PATH_MAX];
    if (!path_in(path, folder))
        return sim_fail(SIM_EINVAL, "%.200s...: the folder's name is too long", folder);
    json_t *o =
        json_pack("{s:I, s:I, s:s, s:o, s:o, s:o}", "epoch", (json_int_t)what->epoch, "step",
                  (json_int_t)what->step, "reason", what->reason, "loss", number(what->result.loss),
                  "grad_norm", number(what->result.grad_norm), "images", images_json(source, index, count));
    char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
    json_decref(o);
    if (!text) return sim_fail(SIM_ENOMEM, "%s: cannot write the batch as JSON", path);
    sim_status s = sim_file_write(path, text, strlen(text));
    free(text);
    return s;
}

sim_status sim_nan_batch_write(const char *folder, const struct sim_nan_batch *what,
                               const struct sim_source *source, const struct sim_ranks *ranks)
{
    const struct sim_batch *batch = NULL;
    const int64_t per_epoch = source->steps_per_epoch, size = sim_ranks_size(ranks);
    SIM_TRY(sim_ranks_agree(
        ranks, source->next(source->self, what->epoch - 1, (what->step - 1) % per_epoch, &batch)));
    int64_t *all = calloc((size_t)(batch->size * size), sizeof *all);
    sim_status s = all ? SIM_OK : sim_fail(SIM_ENOMEM, "no memory for the numbers of a batch's images");
    s = sim_ranks_agree(ranks, s);
    if (s == SIM_OK && ranks)
        s = sim_ranks_gather(ranks, batch->index, all, (size_t)batch->size * sizeof *all);
    else if (s == SIM_OK)
        memcpy(all, batch->index, (size_t)batch->size * sizeof *all);
    if (s == SIM_OK)
        s = sim_ranks_agree(ranks, sim_ranks_first(ranks)
                                       ? write_json(folder, what, source, all, batch->size * size)
                                       : SIM_OK);
    free(all);
    return s;
}

void sim_nan_batch_remove(const char *folder)
{
    char path[PATH_MAX];
    if (path_in(path, folder)) unlink(path);
}
