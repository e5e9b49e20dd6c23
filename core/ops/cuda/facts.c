/* What the CUDA backend says of itself. */
#include "facts.h"

#include <stdio.h>

#include "attention.h"
#include "cuda.h"
#include "products.h"
#include "cuda_ranks.h"

/* 13020 = 13.2; "" for 0. */
static void version(char *out, size_t size, int number)
{
    *out = 0;
    if (number) snprintf(out, size, "%d.%d", number / 1000, number % 1000 / 10);
}

void sim_cuda_libraries(struct sim_ops_facts *out)
{
    char runtime[32];
    version(runtime, sizeof runtime, sim_device_runtime());
    if (*runtime)
        sim_facts_library(out, "cuda %s", runtime);
    else
        sim_facts_library(out, "cuda emulated (no GPU)");
    sim_facts_library(out, "%s", sim_products_library());
    sim_facts_library(out, "%s", sim_attention_library());
    sim_facts_library(out, "%s", sim_cuda_ranks_library());
}

static void describe(const struct sim_ops *o, struct sim_ops_facts *out)
{
    const struct sim_cuda *c = sim_cuda(o);
    const struct sim_device_facts *d = sim_device_facts(c->device);
    *out = c->noted;
    out->emulated = d->emulated;
    if (d->emulated)
        snprintf(out->device, sizeof out->device, "%s", d->name);
    else
        snprintf(out->device, sizeof out->device, "%s (%s)", d->name, o->isa);
    if (d->emulated)
        sim_facts_substitute(out, "the device is emulated on the host: no GPU was there, nothing is timed");
    if (d->emulated || c->act != SIM_ELEMENT_BF16)
        sim_facts_substitute(
            out, "attention is composed of products and a softmax in place of the fused form, which "
                 "there is on a GPU in bf16 only");
    version(out->driver, sizeof out->driver, d->driver);
    sim_cuda_libraries(out);
}

void sim_cuda_fill_facts(struct sim_ops *o)
{
    o->describe = describe;
}
