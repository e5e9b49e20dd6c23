/* The CUDA backend: opening and closing, the memory it gives out, scratch, waiting, failures. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arena.h"
#include "attention.h"
#include "cuda.h"
#include "cuda_ranks.h"
#include "facts.h"
#include "products.h"
#include "progress.h"
#include "weights.h"

/* ------------------------------------------------------------------ failures and waiting */

void sim_cuda_fail(struct sim_cuda *c, sim_status code, const char *format, ...)
{
    /* What fails after the device failed follows from that. */
    if (c->failed != SIM_OK || sim_device_failure(c->device, 0)) return;
    c->failed = code;
    va_list args;
    va_start(args, format);
    vsnprintf(c->sentence, sizeof c->sentence, format, args);
    va_end(args);
}

sim_status sim_cuda_report(struct sim_cuda *c)
{
    const char *device = sim_device_failure(c->device, 1);
    sim_status failed = c->failed;
    c->failed = SIM_OK;
    if (failed != SIM_OK) return sim_fail(failed, "CUDA backend: %s", c->sentence);
    if (device) return sim_fail(SIM_ELIB, "CUDA backend, %s: %s", sim_device_facts(c->device)->name, device);
    return SIM_OK;
}

void sim_cuda_wait_for(struct sim_cuda *c, sim_event event)
{
    if (sim_cuda_ranks_size(c) == 1) {
        sim_device_event_wait(c->device, event);
        return;
    }
    /* Looked at often while a step may well be over, then less: a step's end is not missed by much. */
    const double started_s = sim_now_s();
    struct timespec pause = {.tv_nsec = 20000};
    while (!sim_device_event_passed(c->device, event)) {
        if (!sim_cuda_ranks_alive(c, sim_now_s() - started_s)) return;
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < 1000000) pause.tv_nsec += pause.tv_nsec / 8;
    }
}

void sim_cuda_wait(struct sim_cuda *c)
{
    if (c->capturing) {
        sim_cuda_fail(c, SIM_EINVAL, "something waits for the device while a graph is recorded");
        return;
    }
    sim_device_event_record(c->device, c->reached, c->stream);
    sim_cuda_wait_for(c, c->reached);
}

/* Everything queued: also what runs beside the compute stream. */
static void wait_for_all(struct sim_cuda *c)
{
    for (int i = 0; i < SIM_STREAMS; i++) {
        sim_stream s = sim_device_stream(c->device, i);
        if (s == c->stream) continue;
        sim_device_event_record(c->device, c->reached, s);
        sim_device_stream_waits(c->device, c->stream, c->reached);
    }
    sim_cuda_wait(c);
}

static sim_status finish(const struct sim_ops *o)
{
    wait_for_all(sim_cuda(o));
    return sim_cuda_report(sim_cuda(o));
}

/* ------------------------------------------------------------------ memory */

/* A block that was given out. */
struct sim_given {
    struct sim_given *next;
    void *at;
    size_t bytes;
};

static void *take(void *context, size_t bytes)
{
    struct sim_cuda *c = context;
    struct sim_given *g = malloc(sizeof *g);
    void *at = g ? sim_device_take(c->device, bytes) : NULL;
    if (!at) {
        char why[512];
        snprintf(why, sizeof why, "%s", g ? sim_error_text() : "no host memory for the list of blocks");
        sim_fail(SIM_ENOMEM,
                 "%s (a smaller train.batch_size needs less, compute.precision: bf16 half of fp32)", why);
        free(g);
        return NULL;
    }
    *g = (struct sim_given){c->given, at, bytes};
    c->given = g;
    return at;
}

static void release(void *context, void *block)
{
    struct sim_cuda *c = context;
    struct sim_given **link = &c->given;
    if (!block) return;
    while (*link && (*link)->at != block) link = &(*link)->next;
    sim_cuda_forget_replays(c);
    sim_cuda_forget_lists(c);
    if (*link) {
        struct sim_given *g = *link;
        sim_cuda_forget_weights(c, g->at, g->bytes);
        *link = g->next;
        free(g);
    }
    sim_device_release(c->device, block);
}

void *sim_cuda_scratch(struct sim_cuda *c, size_t bytes)
{
    if (bytes <= c->scratch_bytes && c->scratch) return c->scratch;
    if (c->capturing) {
        sim_cuda_fail(
            c, SIM_EINVAL,
            "an operation needs %zu bytes of scratch memory, where %zu are there, while a graph is recorded",
            bytes, c->scratch_bytes);
        return NULL;
    }
    const size_t unit = (size_t)1 << 20, rounded = (bytes + unit - 1) / unit * unit;
    sim_cuda_forget_replays(c); /* they know the old address */
    sim_device_release(c->device, c->scratch);
    c->scratch = sim_device_take(c->device, rounded);
    c->scratch_bytes = c->scratch ? rounded : 0;
    if (!c->scratch)
        sim_cuda_fail(c, SIM_ENOMEM,
                      "scratch memory of an operation: %s (a smaller train.batch_size needs less)",
                      sim_error_text());
    return c->scratch;
}

/* ------------------------------------------------------------------ opening and closing */

static void close_backend(struct sim_ops *o)
{
    struct sim_cuda *c = o->context;
    if (!c) return;
    if (c->device) {
        sim_cuda_ranks_let_go(c);
        sim_device_wait(c->device);
        sim_cuda_forget_replays(c);
        sim_cuda_forget_lists(c);
        sim_cuda_close_views(c);
        sim_cuda_close_transfers(c);
        sim_cuda_close_weights(c);
        sim_cuda_ranks_close(c);
        sim_attention_close(c->attention);
        sim_products_close(c->products);
        sim_device_event_close(c->device, c->reached);
        sim_device_release(c->device, c->scratch);
        while (c->given) release(c, c->given->at);
        sim_device_close(c->device);
    }
    free(c);
    memset(o, 0, sizeof *o);
}

static sim_status check_device(const struct sim_device_facts *f, int ordinal)
{
    if (f->emulated || f->major >= 8) return SIM_OK;
    return sim_fail(
        SIM_EINVAL,
        "cuda:%d, %s, is an sm_%d%d; the kernels are built for sm_80 (A100) and later: choose another with "
        "--device cuda:N, or --device cpu",
        ordinal, f->name, f->major, f->minor);
}

static sim_status open_parts(struct sim_cuda *c, const struct sim_device_options *options)
{
    SIM_TRY(sim_device_open(&c->device, options->ordinal));
    SIM_TRY(check_device(sim_device_facts(c->device), options->ordinal));
    c->stream = sim_device_stream(c->device, SIM_STREAM_COMPUTE);
    c->reached = sim_device_event_open(c->device);
    SIM_TRY(sim_cuda_report(c));
    SIM_TRY(sim_cuda_ranks_open(c, options->ranks));
    SIM_TRY(sim_products_open(&c->products, c));
    SIM_TRY(sim_attention_open(&c->attention, c));
    return SIM_OK;
}

sim_status sim_ops_cuda_open(struct sim_ops *out, const struct sim_device_options *options)
{
    static const struct sim_device_options presets;
    if (!options) options = &presets;
    struct sim_cuda *c = sim_calloc_aligned(1, sizeof *c);
    *out = (struct sim_ops){.context = c};
    if (!c) return sim_fail(SIM_ENOMEM, "no memory for the CUDA backend");
    c->precision = options->precision == SIM_PRECISION_AUTO ? SIM_PRECISION_BF16 : options->precision;
    c->act = c->precision == SIM_PRECISION_BF16 ? SIM_ELEMENT_BF16 : SIM_ELEMENT_F32;
    c->deterministic = !options->fast;
    c->tune = options->tune;
    c->graphs = options->graphs;
    sim_status opened = open_parts(c, options);
    if (opened != SIM_OK) {
        close_backend(out);
        return opened;
    }
    const struct sim_device_facts *f = sim_device_facts(c->device);
    if (f->emulated)
        snprintf(c->isa, sizeof c->isa, "emulated");
    else
        snprintf(c->isa, sizeof c->isa, "sm_%d%d", f->major, f->minor);
    *out = (struct sim_ops){
        .name = "cuda",
        .isa = c->isa,
        .precision = c->precision,
        .deterministic = c->deterministic,
        .discrete = 1,
        .act_bytes = c->act == SIM_ELEMENT_BF16 ? 2 : 4,
        .memory = {.take = take, .release = release, .context = c, .place = f->name, .says_why = 1},
        .ranks = options->ranks,
        .context = c,
        .weights_changed = sim_cuda_weights_changed,
        .finish = finish,
        .close = close_backend,
    };
    sim_cuda_fill_transfers(out);
    sim_cuda_fill_products(out);
    sim_cuda_fill_norms(out);
    sim_cuda_fill_attention(out);
    sim_cuda_fill_tokens(out);
    sim_cuda_fill_loss(out);
    sim_cuda_fill_masked(out);
    sim_cuda_fill_contrast(out);
    sim_cuda_fill_passes(out);
    sim_cuda_fill_ranks(out);
    sim_cuda_fill_replay(out);
    sim_cuda_fill_views(out);
    sim_cuda_fill_facts(out);
    return SIM_OK;
}
