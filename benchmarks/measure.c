#include "measure.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "progress.h"

enum { MOST_REPEATS = 1000 };

/* ------------------------------------------------------------------ PyTorch */

struct torch_run {
    double images_per_s;
    char version[32];
};

static sim_status run_torch(struct torch_run *out, const struct sim_bench_shape *p, const struct sim_measure_config *c,
                            int threads, int steps)
{
    enum { NUMBERS = 15, EACH = 16 };
    const struct {
        const char *name;
        int64_t value;
    } numbers[NUMBERS] = {{"--img", p->img}, {"--patch", p->patch}, {"--dim", p->dim}, {"--depth", p->depth},
                          {"--heads", p->heads}, {"--dec-dim", p->dec_dim}, {"--dec-heads", p->dec_heads},
                          {"--dec-depth", p->dec_depth}, {"--mlp-dim", p->mlp_dim},
                          {"--projector-depth", SIM_BENCH_PROJECTOR_DEPTH},
                          {"--predictor-depth", SIM_BENCH_PREDICTOR_DEPTH}, {"--batch", p->batch},
                          {"--hidden", p->hidden}, {"--steps", steps}, {"--threads", threads}};
    char text[NUMBERS][EACH];
    const char *argv[2 * NUMBERS + 5] = {c->python, c->script, "--objective", sim_objective_kinds[p->objective].name};
    for (int i = 0; i < NUMBERS; i++) {
        snprintf(text[i], EACH, "%ld", (long)numbers[i].value);
        argv[4 + 2 * i] = numbers[i].name, argv[5 + 2 * i] = text[i];
    }
    json_t *lines;
    SIM_TRY(sim_peer_run(argv, &lines));
    const json_t *said = json_array_get(lines, 0);
    const char *version = json_string_value(json_object_get(said, "torch"));
    out->images_per_s = json_number_value(json_object_get(said, "images_per_s"));
    snprintf(out->version, sizeof out->version, "%s", version ? version : "?");
    json_decref(lines);
    if (!(out->images_per_s > 0)) return sim_fail(SIM_EFORMAT, "%s printed no images_per_s", c->script);
    return SIM_OK;
}

/* One thread or all of them: whichever is faster in a short trial. */
static sim_status choose_threads(struct sim_measure *m, const struct sim_measure_config *c)
{
    const int all = omp_get_max_threads();
    struct torch_run run;
    double best = 0;
    for (int i = 0; i < (all > 1 ? 2 : 1); i++) {
        int threads = i ? 1 : all;
        SIM_TRY(run_torch(&run, m->shape, c, threads, 3));
        sim_log("%s: PyTorch %s, %d threads: %.2f images/s", m->shape->name, run.version, threads, run.images_per_s);
        if (run.images_per_s <= best) continue;
        best = run.images_per_s;
        m->torch_threads = threads;
    }
    m->torch_images_per_s = best;
    memcpy(m->torch_version, run.version, sizeof run.version);
    return SIM_OK;
}

/* ------------------------------------------------------------------ ours */

/* The median of as many repeats as fit into c->seconds; way < 0 is the step. */
static sim_status repeat(struct sim_step_products *p, int way, double for_seconds, double *median)
{
    double took[MOST_REPEATS], sum = 0;
    int count = 0;
    while (count == 0 || (sum < for_seconds && count < MOST_REPEATS)) {
        if (way < 0) SIM_TRY(sim_subject_step(p->subject, &took[count]));
        else SIM_TRY(sim_step_products_run(p, (enum sim_step_products_way)way, &took[count]));
        sum += took[count++];
    }
    *median = sim_median(took, count);
    return SIM_OK;
}

struct rounds { /* one number a round */
    double images_per_s[100], share[SIM_STEP_PRODUCTS_WAYS][100], torch[100], ratio[100];
};

static sim_status run_round(struct sim_measure *m, const struct sim_measure_config *c, struct sim_step_products *p,
                            struct rounds *r, int round)
{
    const double batch = (double)m->shape->batch;
    double step, alone[SIM_STEP_PRODUCTS_WAYS];
    SIM_TRY(repeat(p, -1, c->seconds, &step));
    r->images_per_s[round] = batch / step;
    for (int way = 0; way < SIM_STEP_PRODUCTS_WAYS; way++) {
        SIM_TRY(repeat(p, way, c->seconds, &alone[way]));
        r->share[way][round] = alone[way] / step;
    }
    char peer[64] = "";
    if (c->python) {
        struct torch_run run;
        int steps = (int)(c->seconds * m->torch_images_per_s / batch);
        SIM_TRY(run_torch(&run, m->shape, c, m->torch_threads, steps < 3 ? 3 : steps > 200 ? 200 : steps));
        r->torch[round] = run.images_per_s;
        r->ratio[round] = r->images_per_s[round] / run.images_per_s;
        snprintf(peer, sizeof peer, ", PyTorch %.2f images/s: %.2f", run.images_per_s, r->ratio[round]);
    }
    sim_log("%s: round %d of %d: step %.1f ms, %.2f images/s; products %.1f ms (tiled), %.1f ms (plain)%s",
            m->shape->name, round + 1, c->rounds, 1e3 * step, r->images_per_s[round], 1e3 * alone[SIM_STEP_PRODUCTS_TILED],
            1e3 * alone[SIM_STEP_PRODUCTS_PLAIN], peer);
    return SIM_OK;
}

static sim_status run_rounds(struct sim_measure *m, const struct sim_measure_config *c, struct sim_subject *s,
                             struct sim_step_products *p)
{
    const double batch = (double)m->shape->batch;
    struct rounds r;
    double seconds;
    SIM_TRY(sim_subject_open(s, m->shape, "cpu", NULL));
    SIM_TRY(sim_subject_step(s, &seconds)); /* touches all memory, fills oneDNN's cache of kernels */
    SIM_TRY(sim_step_products_open(p, s));
    for (int way = 0; way < SIM_STEP_PRODUCTS_WAYS; way++) SIM_TRY(sim_step_products_run(p, (enum sim_step_products_way)way, &seconds));
    m->isa = s->watch.inner.isa; /* a constant */
    m->flop_per_image = s->objective.cost.flop_per_image;
    m->executed_flop_per_image = p->flop / batch;
    if (c->python) SIM_TRY(choose_threads(m, c));
    for (int i = 0; i < c->rounds; i++) SIM_TRY(run_round(m, c, p, &r, i));
    m->images_per_s = sim_median(r.images_per_s, c->rounds);
    for (int way = 0; way < SIM_STEP_PRODUCTS_WAYS; way++) m->share_by[way] = sim_median(r.share[way], c->rounds);
    m->limit = m->share_by[SIM_STEP_PRODUCTS_PLAIN] < m->share_by[SIM_STEP_PRODUCTS_TILED] ? SIM_STEP_PRODUCTS_PLAIN : SIM_STEP_PRODUCTS_TILED;
    m->share_of_products = m->share_by[m->limit];
    if (c->python) {
        m->torch_images_per_s = sim_median(r.torch, c->rounds);
        m->ratio = sim_median(r.ratio, c->rounds);
    }
    return SIM_OK;
}

sim_status sim_measure_step(struct sim_measure *m, const struct sim_bench_shape *shape, const struct sim_measure_config *c)
{
    struct sim_subject s = {0};
    struct sim_step_products p = {0};
    *m = (struct sim_measure){.shape = shape, .rounds = c->rounds, .threads = omp_get_max_threads()};
    sim_status status = c->rounds >= 1 && c->rounds <= 100
                            ? run_rounds(m, c, &s, &p)
                            : sim_fail(SIM_EINVAL, "%d rounds: 1 to 100 are possible", c->rounds);
    sim_step_products_close(&p);
    sim_subject_close(&s);
    return status;
}
