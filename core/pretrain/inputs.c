#include "inputs.h"

#include "view_jobs.h"

sim_status sim_inputs_size(const struct sim_batch *batch, int64_t planned)
{
    if (batch->size == planned) return SIM_OK;
    return sim_fail(SIM_EINVAL, "a batch of %ld images for a model planned for %ld", (long)batch->size,
                    (long)planned);
}

sim_status sim_inputs_visible(int32_t *index, int64_t *visible, const uint8_t *mask, int64_t batch,
                              int64_t patches, int64_t max_visible)
{
    int64_t first = 0;
    for (int64_t i = 0; i < patches; i++) first += !mask[i];
    if (first < 1 || first > max_visible)
        return sim_fail(SIM_EINVAL,
                        "the mask of image 0 leaves %ld patches visible; this model is planned for 1 to %ld",
                        (long)first, (long)max_visible);
    for (int64_t b = 0; b < batch; b++) {
        int64_t v = 0;
        for (int64_t i = 0; i < patches; i++) {
            if (mask[b * patches + i]) continue;
            if (v < first) index[b * first + v] = (int32_t)i;
            v++;
        }
        if (v != first)
            return sim_fail(
                SIM_EINVAL,
                "the mask of image %ld leaves %ld patches visible, that of image 0 %ld: they must agree",
                (long)b, (long)v, (long)first);
    }
    *visible = first;
    return SIM_OK;
}

sim_status sim_inputs_view(const struct sim_ops *o, const float **view, float *staging, const float *finished,
                           const struct sim_view_jobs *jobs, int64_t batch, int64_t side)
{
    if (finished) {
        *view = o->stage(o, staging, finished, (size_t)(batch * 3 * side * side) * sizeof(float));
        return SIM_OK;
    }
    if (!jobs || !o->make_views)
        return sim_fail(SIM_EINVAL, "a batch without views, and %s",
                        jobs ? "a backend that makes none" : "without jobs to make them of");
    if (jobs->count != batch || jobs->size != side)
        return sim_fail(SIM_EINVAL, "jobs for %ld views of %d pixels; the model is planned for %ld of %ld",
                        (long)jobs->count, jobs->size, (long)batch, (long)side);
    o->make_views(o, staging, jobs);
    *view = staging;
    return SIM_OK;
}
