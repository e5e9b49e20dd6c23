/* The table and the record of a `make gpu-check`, from its JSON lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "file.h"
#include "gpu_bench.h"

struct lines {
    json_t *all;
    const json_t *facts;
    const char *mark; /* stands in every row that could be taken for a result */
    double gemm, copy; /* the best rates seen: TFLOP/s in bf16, GB/s; 0: not measured */
};

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static double number_of(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static int is(const json_t *o, const char *key, const char *value)
{
    return strcmp(text_of(o, key), value) == 0;
}

#define EACH(l, wanted, line)                                                                                \
    for (size_t at_ = 0; at_ < json_array_size((l)->all); at_++)                                             \
        for (const json_t *line = json_array_get((l)->all, at_); line && is(line, "kind", wanted); line = NULL)

static sim_status read_lines(struct lines *l, const char *path)
{
    char *text, *rest;
    size_t size;
    SIM_TRY(sim_file_read(path, 1 << 24, &text, &size));
    l->all = json_array();
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_error_t error;
        json_t *o = json_loads(line, 0, &error);
        if (o) json_array_append_new(l->all, o);
        else fprintf(stderr, "gpu_bench: %s: a line is no JSON (%s) and left out: %.80s\n", path, error.text, line);
    }
    free(text);
    EACH(l, "facts", line) l->facts = line;
    if (!l->facts) return sim_fail(SIM_EFORMAT, "%s has no line of facts", path);
    l->mark = json_is_true(json_object_get(l->facts, "emulated")) ? "host emulation, no GPU: " : "";
    EACH(l, "rate", line)
    {
        if (is(line, "precision", "bf16") && number_of(line, "value") > l->gemm) l->gemm = number_of(line, "value");
        if (is(line, "of", "copy")) l->copy = number_of(line, "value");
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ Markdown */

static void print_head(FILE *f, const struct lines *l, double seconds)
{
    int failed = 0, skipped = 0, count = 0;
    EACH(l, "check", line) failed += is(line, "verdict", "FAILED"), skipped += is(line, "verdict", "skipped"), count++;
    fprintf(f, "# gpu-check: %s%s\n\n", l->mark, text_of(l->facts, "device"));
    fprintf(f, "Commit %s, driver %s, libraries", text_of(l->facts, "commit"),
            *text_of(l->facts, "driver") ? text_of(l->facts, "driver") : "none");
    const json_t *libraries = json_object_get(l->facts, "libraries");
    for (size_t i = 0; i < json_array_size(libraries); i++)
        fprintf(f, "%s %s", i ? "," : "", json_string_value(json_array_get(libraries, i)));
    fprintf(f, ". %d steps, %d failed, %d skipped, %.0f s.\n\n| check | verdict | seconds | |\n|---|---|---:|---|\n",
            count, failed, skipped, seconds);
    EACH(l, "check", line)
    fprintf(f, "| %s%s | %s | %.1f | %s |\n", l->mark, text_of(line, "name"), text_of(line, "verdict"),
            number_of(line, "seconds"), text_of(line, "note"));
}

static void print_rates(FILE *f, const struct lines *l)
{
    fputs("\n## What the device does at best\n\n| what | rate |\n|---|---:|\n", f);
    EACH(l, "rate", line)
    fprintf(f, "| %s%s | %.1f %s |\n", l->mark, text_of(line, "name"), number_of(line, "value"), text_of(line, "unit"));
    fputs("\n## Operations, bf16\n\n| operation | shape | ms | rate | of the best |\n|---|---|---:|---:|---:|\n", f);
    EACH(l, "operation", line)
    {
        const double best = is(line, "unit", "TFLOP/s") ? l->gemm : is(line, "unit", "GB/s") ? l->copy : 0;
        fprintf(f, "| %s%s | %s | %.4f | %.1f %s |", l->mark, text_of(line, "name"), text_of(line, "shape"),
                number_of(line, "ms"), number_of(line, "value"), text_of(line, "unit"));
        if (best > 0) fprintf(f, " %.0f %% |\n", 100 * number_of(line, "value") / best);
        else fputs(" |\n", f);
    }
}

/* The fastest peer of a shape, by images per second: of this batch size, or of any (batch 0). */
static double fastest_peer(const struct lines *l, const char *shape, double batch)
{
    double best = 0;
    EACH(l, "peer", line)
    if (is(line, "shape", shape) && (batch == 0 || number_of(line, "batch") == batch) &&
        number_of(line, "images_per_s") > best)
        best = number_of(line, "images_per_s");
    return best;
}

static void print_steps(FILE *f, const struct lines *l)
{
    fputs("\n## Optimiser steps, bf16\n\nMFU: the method's products per image times images per second, over the best bf16 product "
          "above. Ratio: to the fastest peer of the shape, whatever its batch.\n\n"
          "| shape | batch | attention backward | graph | ms | images/s | TFLOP/s | MFU | ratio |\n"
          "|---|---:|---|---|---:|---:|---:|---:|---:|\n",
          f);
    EACH(l, "step", line)
    {
        const double peer = fastest_peer(l, text_of(line, "shape"), 0), images = number_of(line, "images_per_s");
        fprintf(f, "| %s%s | %.0f | %s | %s | %.2f | %.1f | %.1f |", l->mark, text_of(line, "shape"),
                number_of(line, "batch"), json_is_true(json_object_get(line, "deterministic")) ? "deterministic" : "fast",
                json_is_true(json_object_get(line, "graph")) ? "yes" : "no", number_of(line, "ms"), images,
                number_of(line, "tflops"));
        if (l->gemm > 0) fprintf(f, " %.1f %% |", 100 * number_of(line, "tflops") / l->gemm);
        else fputs(" |", f);
        if (peer > 0) fprintf(f, " %.2f |\n", images / peer);
        else fputs(" no peer |\n", f);
    }
    json_t *told = json_object(); /* each sentence once */
    EACH(l, "step", line)
    {
        const json_t *notes = json_object_get(line, "substituted");
        for (size_t i = 0; i < json_array_size(notes); i++) {
            const char *sentence = json_string_value(json_array_get(notes, i));
            if (!sentence || json_object_get(told, sentence)) continue;
            fprintf(f, "\nSubstituted (%s, batch %.0f): %s\n", text_of(line, "shape"), number_of(line, "batch"), sentence);
            json_object_set_new(told, sentence, json_true());
        }
    }
    json_decref(told);
    fputs("\n| PyTorch peer | batch | precision | compiled | images/s | version |\n|---|---:|---|---|---:|---|\n", f);
    EACH(l, "peer", line)
    fprintf(f, "| %s%s | %.0f | %s | %s | %.1f | %s |\n", l->mark, text_of(line, "shape"), number_of(line, "batch"),
            json_is_true(json_object_get(line, "bf16")) ? "bf16 autocast" : "fp32",
            json_is_true(json_object_get(line, "compile")) ? "yes" : "no", number_of(line, "images_per_s"),
            text_of(line, "torch"));
}

static int by_ms(const void *a, const void *b)
{
    const double x = number_of(*(const json_t *const *)a, "ms"), y = number_of(*(const json_t *const *)b, "ms");
    return (x < y) - (x > y);
}

static void print_profile(FILE *f, const struct lines *l)
{
    enum { MOST = 200 };
    const json_t *list[MOST];
    int count = 0;
    EACH(l, "profile", line) if (count < MOST) list[count++] = line;
    qsort(list, (size_t)count, sizeof *list, by_ms);
    fputs("\n## Where a step's time goes\n\nEvents around every operation; the largest first.\n\n"
          "| shape | batch | operation | calls | ms | share | TFLOP/s |\n|---|---:|---|---:|---:|---:|---:|\n",
          f);
    for (int i = 0; i < count; i++) {
        fprintf(f, "| %s%s | %.0f | %s | %.0f | %.3f | %.1f %% |", l->mark, text_of(list[i], "shape"),
                number_of(list[i], "batch"), text_of(list[i], "operation"), number_of(list[i], "calls"),
                number_of(list[i], "ms"), 100 * number_of(list[i], "share"));
        if (number_of(list[i], "tflops") > 0) fprintf(f, " %.0f |\n", number_of(list[i], "tflops"));
        else fputs(" |\n", f);
    }
}

static sim_status write_markdown(const struct lines *l, const char *path, double seconds)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) return sim_fail(SIM_ENOMEM, "no memory for %s", path);
    print_head(f, l, seconds);
    print_rates(f, l);
    print_steps(f, l);
    print_profile(f, l);
    sim_status status = fclose(f) == 0 ? sim_file_write(path, text, size) : sim_fail(SIM_ENOMEM, "no memory for %s", path);
    free(text);
    return status;
}

/* ------------------------------------------------------------------ the record */

static json_t *lines_of(const struct lines *l, const char *kind)
{
    json_t *list = json_array();
    EACH(l, kind, line)
    {
        json_t *copy = json_copy((json_t *)line);
        json_object_del(copy, "kind");
        json_array_append_new(list, copy);
    }
    return list;
}

/* "name version" lines as an object, as in the record of a run. */
static json_t *libraries_of(const struct lines *l)
{
    json_t *o = json_object();
    const json_t *list = json_object_get(l->facts, "libraries");
    for (size_t i = 0; i < json_array_size(list); i++) {
        char name[64];
        const char *text = json_string_value(json_array_get(list, i)), *space = strchr(text, ' ');
        snprintf(name, sizeof name, "%.*s", space ? (int)(space - text) : (int)strlen(text), text);
        json_object_set_new(o, name, json_string(space ? space + 1 : ""));
    }
    return o;
}

static sim_status write_record(const struct lines *l, const char *path, double seconds)
{
    char when[32], *text;
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
    json_t *o = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o}", "schema", 1, "kind", "gpu_check",
        "commit", text_of(l->facts, "commit"), "finished", when, "backend", "cuda", "device", text_of(l->facts, "device"),
        "driver", text_of(l->facts, "driver"), "emulated", json_is_true(json_object_get(l->facts, "emulated")), "libraries",
        libraries_of(l), "seconds", seconds, "checks", lines_of(l, "check"), "rates", lines_of(l, "rate"), "operations",
        lines_of(l, "operation"), "steps", lines_of(l, "step"), "peers", lines_of(l, "peer"), "profile",
        lines_of(l, "profile"));
    text = o ? json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(7)) : NULL;
    json_decref(o);
    if (!text) return sim_fail(SIM_ENOMEM, "no memory for %s", path);
    sim_status status = sim_file_write(path, text, strlen(text));
    free(text);
    return status;
}

sim_status sim_bench_report(const char *lines, const char *markdown, const char *record, double seconds)
{
    struct lines l = {0};
    sim_status status = read_lines(&l, lines);
    if (status == SIM_OK) status = write_markdown(&l, markdown, seconds);
    if (status == SIM_OK) status = write_record(&l, record, seconds);
    json_decref(l.all);
    return status;
}
