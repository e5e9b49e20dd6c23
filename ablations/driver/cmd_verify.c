#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "command.h"
#include "facts.h"
#include "file.h"
#include "options.h"
#include "verify.h"

static const char help[] =
    "usage: siameseim verify DIR... [--device cpu|cuda[:N]] [--precision fp32|tf32|bf16] [--threads N] "
    "[--table FILE]\n"
    "\n"
    "DIR holds init, steps, step0 and final.safetensors as tests/reference/make_golden.py writes them: a "
    "model's\n"
    "initial state, the inputs of a few optimiser steps, the true activations and gradients of the first, "
    "and the\n"
    "true state after the last. The configuration is read from the metadata of steps.safetensors; any sizes "
    "work.\n"
    "\n"
    "Prints the worst error of each quantity and where it stood, and for several folders the worst of all:\n"
    "                          fp32                    tf32, bf16\n"
    "  loss, every step        relative, 2e-6          relative, 5e-3\n"
    "  gradient norm           relative, 2e-6          relative, 2e-2\n"
    "  activations, gradients  relative L2, 1e-5       1 - cosine, 1e-3          each tensor, first step\n"
    "  final state             relative L2, 2e-5       relative L2, 2e-2         each tensor; tf32, bf16: of "
    "what AdamW\n"
    "                                                                            does not move\n"
    "  whole update            1 - cosine, 1e-6        1 - cosine, 1e-2          final - initial, all "
    "trained weights\n"
    "                                                                            together, all momentum "
    "copies\n"
    "  exact zeros             an absolute bound       an absolute bound         what is zero in theory (the "
    "key third\n"
    "                                                                            of a qkv bias)\n"
    "Below fp32 the final weights are judged together, because AdamW makes a full step of every gradient, "
    "those that\n"
    "are rounding noise too.  Exit status 1 when any bound is passed.\n"
    "\n"
    "Several processes, started as `siameseim run --help` says, share the batch: what they make together must "
    "be\n"
    "what one makes.\n"
    "\n"
    "  --precision P   what to compute in; by default fp32 on a CPU and bf16 on a GPU\n"
    "  --threads N     compute threads\n"
    "  --table FILE    the worst of all as a Markdown table, too\n"
    "\n"
    "example: siameseim verify tests/golden/base tests/golden/layernorm\n";

struct words {
    struct sim_words folders;
    const char *device, *precision, *threads, *table;
};

static void print(const char *title, const struct sim_verdict v[SIM_VERIFY_QUANTITIES])
{
    printf("%s\n", title);
    for (int i = 0; i < SIM_VERIFY_QUANTITIES; i++) {
        const char *word = v[i].worst <= v[i].bound ? "ok  " : "FAIL";
        if (!v[i].compared)
            printf("  %s  %-14s nothing to compare\n", word, v[i].name);
        else if (i == SIM_VERIFY_ZEROS)
            printf("  %s  %-14s %9.2e of the absolute bound       worst of %d: %s\n", word, v[i].name,
                   v[i].worst, v[i].compared, v[i].where);
        else
            printf("  %s  %-14s %9.2e %-10s (bound %.0e)   worst of %d: %s\n", word, v[i].name, v[i].worst,
                   v[i].measure, v[i].bound, v[i].compared, v[i].where);
    }
}

/* The same for people who read Markdown: a heading that says on what, and a table. */
static sim_status write_table(const char *path, const struct sim_ops *ops, int folders,
                              const struct sim_verdict v[SIM_VERIFY_QUANTITIES])
{
    struct sim_ops_facts facts;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) return sim_fail(SIM_ENOMEM, "no memory for the table %s", path);
    sim_facts_of(ops, &facts);
    fprintf(
        f, "%s, %s, %d folder%s\n\n| quantity | measure | worst | bound | where |\n|---|---|---:|---:|---|\n",
        facts.device, sim_precision_name(ops->precision), folders, folders == 1 ? "" : "s");
    for (int i = 0; i < SIM_VERIFY_QUANTITIES; i++)
        fprintf(f, "| %s | %s | %.2e | %.0e%s | %s |\n", v[i].name, v[i].measure, v[i].worst, v[i].bound,
                v[i].worst <= v[i].bound ? "" : " EXCEEDED", v[i].where);
    sim_status status = fclose(f) == 0 ? sim_file_write(path, text, size)
                                       : sim_fail(SIM_ENOMEM, "no memory for the table %s", path);
    free(text);
    return status;
}

static sim_status verify_all(const struct words *w, const struct sim_ops *ops, int *failed)
{
    struct sim_verdict all[SIM_VERIFY_QUANTITIES] = {0};
    char title[80];
    for (int i = 0; i < w->folders.count; i++) {
        struct sim_verdict v[SIM_VERIFY_QUANTITIES];
        SIM_TRY(sim_verify(ops, w->folders.word[i], v));
        if (sim_ranks_first(ops->ranks) || !sim_verify_passes(v)) print(w->folders.word[i], v);
        sim_verify_merge(all, v, w->folders.word[i]);
        *failed += !sim_verify_passes(v);
    }
    snprintf(title, sizeof title, "\nworst of %d folders", w->folders.count);
    if (!sim_ranks_first(ops->ranks)) return SIM_OK;
    if (w->folders.count > 1) print(title, all);
    return w->table ? write_table(w->table, ops, w->folders.count, all) : SIM_OK;
}

static sim_status open_and_verify(const struct words *w, struct sim_ranks **ranks, int *failed)
{
    struct sim_backend backend;
    struct sim_compute_config compute = {.deterministic = 1};
    enum sim_precision precision = SIM_PRECISION_AUTO;
    struct sim_ops ops;
    int64_t threads;
    if (w->threads) {
        SIM_TRY(sim_options_whole("--threads", w->threads, 1, 512, &threads));
        omp_set_num_threads((int)threads);
    }
    if (w->folders.count == 0)
        return sim_fail(SIM_EINVAL,
                        "needs at least one folder with init, steps, step0 and final.safetensors");
    SIM_TRY(sim_backend_parse(w->device, &backend));
    if (w->precision) SIM_TRY(sim_precision_parse(w->precision, "--precision", &precision));
    compute.precision = (int)precision;
    SIM_TRY(sim_ranks_open(ranks));
    sim_backend_take_place(&backend, *ranks, w->threads != NULL);
    SIM_TRY(sim_backend_open(&ops, &backend, &compute, *ranks));
    sim_status status = verify_all(w, &ops, failed);
    ops.close(&ops);
    return status;
}

static int run(int argc, char **argv)
{
    struct words w = {0};
    struct sim_option options[] = {{.name = "--device", .text = &w.device},
                                   {.name = "--precision", .text = &w.precision},
                                   {.name = "--table", .text = &w.table},
                                   {.name = "--threads", .text = &w.threads}};
    int failed = 0;
    sim_status s = sim_options_parse(argc, argv, options, 4, &w.folders);
    struct sim_ranks *ranks = NULL;
    if (s == SIM_OK) s = open_and_verify(&w, &ranks, &failed);
    sim_words_close(&w.folders);
    int code = s == SIM_OK ? failed > 0 : sim_command_failed("verify");
    sim_ranks_close(ranks, s == SIM_OK ? NULL : sim_error_text());
    if (s != SIM_OK) return code;
    if (failed) fprintf(stderr, "siameseim verify: %d folder(s) past the bounds\n", failed);
    return code;
}

const struct sim_command sim_command_verify = {
    "verify", "compare one build's arithmetic with ground truth, tensor by tensor", help, run};
