#include "corruption.h"

#include <stdio.h>
#include <string.h>

#include "nearest.h"

static const char *const names[SIM_CORRUPTIONS] = {
    "gaussian_noise",    "shot_noise", "impulse_noise",   "defocus_blur", "glass_blur", "motion_blur",
    "zoom_blur",         "snow",       "frost",           "fog",          "brightness", "contrast",
    "elastic_transform", "pixelate",   "jpeg_compression"};

const char *sim_corruption_name(enum sim_corruption c)
{
    return names[c];
}

sim_status sim_corruption_find(const char *name, int count, const char *where, enum sim_corruption *out)
{
    char word[64];
    for (int i = 0; i < SIM_CORRUPTIONS; i++)
        if (strlen(names[i]) == (size_t)count && memcmp(names[i], name, (size_t)count) == 0) {
            *out = (enum sim_corruption)i;
            return SIM_OK;
        }
    snprintf(word, sizeof word, "%.*s", count, name);
    const char *near = sim_nearest(word, names, SIM_CORRUPTIONS);
    return sim_fail(SIM_EINVAL,
                    "%s: there is no corruption \"%s\"%s%s; they are those of ImageNet-C, %s to %s", where,
                    word, near ? ", nearest: " : "", near ? near : "", names[0], names[SIM_CORRUPTIONS - 1]);
}

sim_status sim_severity_check(int64_t severity, const char *where)
{
    if (severity >= 1 && severity <= SIM_SEVERITIES) return SIM_OK;
    return sim_fail(SIM_EINVAL, "%s: severity %lld; severities are 1 to %d", where, (long long)severity,
                    SIM_SEVERITIES);
}
