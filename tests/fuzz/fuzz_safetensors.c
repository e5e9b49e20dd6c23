/* safetensors: no file does harm, and every tensor of an accepted one can be read to its last byte. */
#include <string.h>

#include "safetensors.h"
#include "seeds.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const unsigned char data[64] = {1, 2, 3};
    static const struct sim_tensor tensors[] = {
        {.name = "odd", .dtype = SIM_U8, .dims = 1, .shape = {3}, .data = data},
        {.name = "scalar", .dtype = SIM_F32, .data = data},
        {.name = "empty", .dtype = SIM_BF16, .dims = 2, .shape = {0, 5}},
        {.name = "wide", .dtype = SIM_F64, .dims = 2, .shape = {2, 3}, .data = data},
        {.name = "flags", .dtype = SIM_BOOL, .dims = 3, .shape = {1, 2, 1}, .data = data},
    };
    static const char *const metadata[] = {"format", "pt", NULL};
    const char *path = fuzz_seed_path(*argc, *argv, "sample");
    if (path) FUZZ_CHECK(sim_tensors_write(path, tensors, 5, metadata) == SIM_OK);
    path = fuzz_seed_path(*argc, *argv, "none");
    if (path) FUZZ_CHECK(sim_tensors_write(path, NULL, 0, NULL) == SIM_OK);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static volatile unsigned sum; /* keeps the reads */
    struct sim_tensors *f;
    if (sim_tensors_parse(&f, bytes, count, "input") != SIM_OK) return 0;
    for (int i = 0; i < sim_tensors_count(f); i++) {
        const struct sim_tensor *t = sim_tensors_at(f, i), *same;
        FUZZ_CHECK(sim_tensors_find(f, t->name) == t);
        FUZZ_CHECK(sim_tensors_expect(f, t->name, t->dtype, t->dims, t->shape, &same) == SIM_OK && same == t);
        FUZZ_CHECK((uintptr_t)t->data % 8 == 0 && t->count >= 0);
        for (size_t b = 0; b < (size_t)t->count * sim_dtype_bytes(t->dtype); b++)
            sum += ((const unsigned char *)t->data)[b];
    }
    (void)sim_tensors_metadata(f, "format");
    sim_tensors_close(f);
    return 0;
}
