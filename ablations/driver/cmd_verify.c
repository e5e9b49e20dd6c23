#include <omp.h>
#include <stdio.h>

#include "command.h"
#include "options.h"
#include "verify.h"

static void print(const char *folder, const struct sim_verdict v[SIM_VERIFY_QUANTITIES])
{
    printf("%s\n", folder);
    for (int i = 0; i < SIM_VERIFY_QUANTITIES; i++) {
        const char *word = v[i].worst <= v[i].bound ? "ok  " : "FAIL";
        if (!v[i].compared)
            printf("  %s  %-14s nothing to compare\n", word, v[i].name);
        else if (i == SIM_VERIFY_ZEROS)
            printf("  %s  %-14s %9.2e of the absolute bound      worst of %d: %s\n", word, v[i].name,
                   v[i].worst, v[i].compared, v[i].where);
        else
            printf("  %s  %-14s %9.2e relative (bound %.0e)   worst of %d: %s\n", word, v[i].name, v[i].worst,
                   v[i].bound, v[i].compared, v[i].where);
    }
}

static sim_status verify_all(const struct sim_words *folders, const char *device, int *failed)
{
    struct sim_ops ops;
    SIM_TRY(sim_ops_open(&ops, device, NULL));
    sim_status s = SIM_OK;
    for (int i = 0; i < folders->count && s == SIM_OK; i++) {
        struct sim_verdict v[SIM_VERIFY_QUANTITIES];
        s = sim_verify(&ops, folders->word[i], v);
        if (s != SIM_OK) break;
        print(folders->word[i], v);
        *failed += !sim_verify_passes(v);
    }
    ops.close(&ops);
    return s;
}

static int run(int argc, char **argv)
{
    const char *device = NULL, *threads = NULL;
    struct sim_words folders = {0};
    struct sim_option options[] = {{.name = "--device", .text = &device},
                                   {.name = "--threads", .text = &threads}};
    int failed = 0;
    int64_t count;
    sim_status s = sim_options_parse(argc, argv, options, 2, &folders);
    if (s == SIM_OK && threads && (s = sim_options_whole("--threads", threads, 1, 512, &count)) == SIM_OK)
        omp_set_num_threads((int)count);
    if (s == SIM_OK && folders.count == 0)
        s = sim_fail(SIM_EINVAL, "needs at least one folder with init, steps, step0 and final.safetensors");
    if (s == SIM_OK) s = verify_all(&folders, device ? device : "cpu", &failed);
    sim_words_close(&folders);
    if (s != SIM_OK) return sim_command_failed("verify");
    if (failed) fprintf(stderr, "siameseim verify: %d folder(s) past the bounds\n", failed);
    return failed > 0;
}

const struct sim_command sim_command_verify = {
    .name = "verify",
    .summary = "compare one build's arithmetic with ground truth, tensor by tensor",
    .help = "usage: siameseim verify DIR... [--threads N] [--device cpu]\n"
            "\n"
            "DIR holds init, steps, step0 and final.safetensors as tests/reference/make_golden.py writes "
            "them: a model's\n"
            "initial state, the inputs of a few optimiser steps, the true activations and gradients of the "
            "first, and the\n"
            "true state after the last. The configuration is read from the metadata of steps.safetensors; "
            "any sizes work.\n"
            "\n"
            "Prints the worst relative error (L2 per tensor) of each quantity and where it stood:\n"
            "  loss, gradient norm   bound 2e-6, every step\n"
            "  activations, gradients bound 1e-5, first step\n"
            "  final state           bound 2e-5, every tensor of the state_dict\n"
            "  exact zeros           gradients that are zero in theory (the key third of a qkv bias): "
            "absolute bound\n"
            "Exit status 1 when any bound is passed.\n"
            "\n"
            "example: siameseim verify tests/golden/base tests/golden/layernorm\n",
    .run = run,
};
