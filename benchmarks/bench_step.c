/* bench_step --profile [SHAPE...]: where an optimiser step's time goes. */
#include <stdio.h>
#include <string.h>

#include "profile.h"

static int wanted(const char *name, int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return 1;
    return argc <= 2;
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--profile") != 0) {
        fprintf(stderr, "bench_step --profile [SHAPE...]\n");
        return 2;
    }
    for (int i = 0; i < sim_bench_shape_count; i++) {
        if (!wanted(sim_bench_shapes[i].name, argc, argv)) continue;
        struct sim_subject s;
        sim_status status = sim_subject_open(&s, &sim_bench_shapes[i]);
        if (status == SIM_OK) status = sim_profile_print(&s, 3);
        sim_subject_close(&s);
        if (status != SIM_OK) {
            fprintf(stderr, "bench_step: %s\n", sim_error_text());
            return 1;
        }
    }
    return 0;
}
