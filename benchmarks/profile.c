#include "profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct line { /* calls that count as one */
    const struct sim_call *first;
    int64_t calls;
    double seconds, flop, bytes;
};

static int same_name(const struct sim_call *a, const struct sim_call *b)
{
    return strcmp(a->name, b->name) == 0;
}

static int same_shape(const struct sim_call *a, const struct sim_call *b)
{
    return same_name(a, b) && a->m == b->m && a->n == b->n && a->k == b->k && a->batch == b->batch &&
           a->tokens == b->tokens && a->heads == b->heads && a->head_dim == b->head_dim;
}

static int by_seconds(const void *a, const void *b)
{
    double x = ((const struct line *)a)->seconds, y = ((const struct line *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Lines of the log, longest first; at most w->count of them. */
static int add_up(const struct sim_watch *w, struct line *lines, int (*same)(const struct sim_call *, const struct sim_call *))
{
    int count = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct sim_call *c = &w->calls[i];
        int at = 0;
        while (at < count && !same(lines[at].first, c)) at++;
        if (at == count) lines[count++] = (struct line){.first = c};
        lines[at].calls++;
        lines[at].seconds += c->seconds;
        lines[at].flop += sim_call_flop(c);
        if (c->kind == SIM_CALL_PASS) lines[at].bytes += 4.0 * (double)c->m * (double)c->n;
    }
    qsort(lines, (size_t)count, sizeof *lines, by_seconds);
    return count;
}

static void describe(const struct sim_call *c, char *text, size_t room)
{
    if (c->kind == SIM_CALL_PRODUCT)
        snprintf(text, room, "%c%c %ld x %ld x %ld", c->ta == SIM_T ? 'T' : 'N', c->tb == SIM_T ? 'T' : 'N', (long)c->m,
                 (long)c->n, (long)c->k);
    else if (c->kind == SIM_CALL_PASS) snprintf(text, room, "%ld x %ld", (long)c->m, (long)c->n);
    else
        snprintf(text, room, "%ld images x %ld heads, %ld tokens x %ld", (long)c->batch, (long)c->heads, (long)c->tokens,
                 (long)c->head_dim);
}

static void print_lines(const struct line *lines, int count, int steps, double step_seconds, int shapes)
{
    printf("\n| operation |%s calls | ms | share | GFLOP/s | operand GB/s |\n|---|%s---:|---:|---:|---:|---:|\n",
           shapes ? " shape |" : "", shapes ? "---|" : "");
    for (int i = 0; i < count; i++) {
        const struct line *l = &lines[i];
        char shape[80];
        describe(l->first, shape, sizeof shape);
        printf("| %s |", l->first->name);
        if (shapes) printf(" %s |", shape);
        printf(" %.0f | %.2f | %.1f %% |", (double)l->calls / steps, 1e3 * l->seconds / steps,
               100 * l->seconds / steps / step_seconds);
        if (l->flop > 0) printf(" %.0f | |\n", 1e-9 * l->flop / l->seconds);
        else printf(" | %.1f |\n", 1e-9 * l->bytes / l->seconds);
    }
}

sim_status sim_profile_print(struct sim_subject *s, int steps)
{
    double seconds, whole = 0, inside = 0, products = 0, flop = 0;
    SIM_TRY(sim_subject_step(s, &seconds));
    sim_watch_on(&s->watch);
    sim_status status = SIM_OK;
    for (int i = 0; i < steps && status == SIM_OK; i++) {
        status = sim_subject_step(s, &seconds);
        whole += seconds / steps;
    }
    sim_watch_off(&s->watch);
    if (status != SIM_OK) return status;
    struct line *lines = calloc(s->watch.count, sizeof *lines);
    if (!lines) return sim_fail(SIM_ENOMEM, "no memory for a profile of %zu calls", s->watch.count);
    for (size_t i = 0; i < s->watch.count; i++) {
        const struct sim_call *c = &s->watch.calls[i];
        inside += c->seconds / steps;
        flop += sim_call_flop(c) / steps;
        if (c->kind != SIM_CALL_PASS) products += c->seconds / steps;
    }
    printf("\n## %s, batch %ld: %.1f ms a step, %.2f images/s (%s, mean of %d steps)\n\n", s->shape->name,
           (long)s->shape->batch, 1e3 * whole, (double)s->shape->batch / whole, s->watch.ops.isa, steps);
    printf("operations with products %.1f ms (%.1f %%), passes %.1f ms (%.1f %%), between operations %.1f ms;\n"
           "%.2f GFLOP of products executed, %.2f by formula\n",
           1e3 * products, 100 * products / whole, 1e3 * (inside - products), 100 * (inside - products) / whole,
           1e3 * (whole - inside), 1e-9 * flop, 1e-9 * s->objective.cost.flop_per_image * (double)s->shape->batch);
    print_lines(lines, add_up(&s->watch, lines, same_name), steps, whole, 0);
    memset(lines, 0, s->watch.count * sizeof *lines);
    print_lines(lines, add_up(&s->watch, lines, same_shape), steps, whole, 1);
    free(lines);
    return SIM_OK;
}
