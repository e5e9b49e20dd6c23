/* Backends of this machine, each with the memory its operations work on. */
#include "trial.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"

static void *host_take(size_t bytes)
{
    return sim_calloc_aligned(bytes, 1);
}

static void host_copy(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}

/* One CPU subject with the instruction set asked for, or what the machine has instead. */
static struct subject open_cpu(const char *isa)
{
    struct subject s = {
        .threads = {1, 2, 3}, .take = host_take, .release = free, .upload = host_copy, .download = host_copy};
    if (isa) setenv("SIM_ISA", isa, 1);
    test_ok(sim_ops_cpu_open(&s.ops, NULL));
    return s;
}

int subjects_open(struct subject list[TRIAL_SUBJECTS])
{
    const char *wish = getenv("SIM_ISA");
    int narrow = wish && strcmp(wish, "avx2") == 0;
    list[0] = open_cpu("avx2");
    ck_assert_str_eq(list[0].ops.isa, "avx2");
    if (narrow) return 1;
    unsetenv("SIM_ISA");
    list[1] = open_cpu(NULL);
    if (strcmp(list[1].ops.isa, list[0].ops.isa) != 0) return 2;
    list[1].ops.close(&list[1].ops);
    return 1;
}

void subjects_close(struct subject *list, int count)
{
    for (int i = 0; i < count; i++) list[i].ops.close(&list[i].ops);
}
