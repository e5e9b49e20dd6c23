#include "made.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

double made_noise(int seed)
{
    static const double noise[] = {0.62,  -1.15, 0.28, 1.42,
                                   -0.74, -1.28, 1.05, -0.2}; /* mean 0, deviation 1.02 */
    return noise[seed % 8];
}

static void put_score(FILE *to, const char *encoder, const char *name, double value, const char *end)
{
    fprintf(to,
            "{\"encoder\": \"%s\", \"name\": \"%s\", \"metric\": \"top1\", \"value\": %.6f, "
            "\"standard_error\": 0.01, "
            "\"train_images\": 4000, \"val_images\": 1000, \"protocol\": {%s}}%s",
            encoder, name, value, strncmp(name, "robust_", 7) == 0 ? "\"classifier\": \"finetune\"" : "",
            end);
}

static void put_scores(FILE *to, const struct made *m)
{
    const char *encoder = m->untrained ? "untrained" : "pretrained";
    for (const struct made_score *s = m->scores; s && s->name; s++)
        put_score(to, encoder, s->name, s->value, ", ");
    if (!m->untrained) {
        put_score(to, "untrained", "knn", 0.05, ", ");
        put_score(to, "untrained", "logistic", 0.1, ", ");
    }
    put_score(to, encoder, "knn", m->knn, ", ");
    put_score(to, encoder, "logistic", m->logistic, "");
}

static double or_one(double x)
{
    return x > 0 ? x : 1;
}

void made_put(FILE *to, const struct made *m)
{
    const char *name = m->name ? m->name : "run";
    uint64_t hash = 1469598103934665603u;
    for (const char *c = name; *c; c++) hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    fprintf(to,
            "{\"schema\": 1, \"experiment\": \"%s\", \"name\": \"%s\", \"seed\": %d, \"status\": \"%s\", "
            "\"reason\": "
            "\"\", \"config_hash\": \"%016llx\", \"config\": {\"seed\": %d, ",
            m->experiment ? m->experiment : "e", name, m->seed, m->status ? m->status : "ok",
            (unsigned long long)(hash + (uint64_t)m->seed), m->seed);
    if (m->config)
        fprintf(to, "%s}, ", m->config);
    else
        fprintf(to, "\"name\": \"%s\"}, ", name);
    if (m->study) fprintf(to, "\"study\": %s, ", m->study);
    fprintf(to,
            "\"commit\": \"abc\", \"started\": \"2026-11-23T07:00:00Z\", \"backend\": \"cpu\", \"device\": "
            "\"%s\", "
            "\"threads\": 2, \"libraries\": {}, \"data\": {\"train_hash\": \"1\", \"val_hash\": \"2\", "
            "\"train_images\": 4000, \"val_images\": 1000, \"classes\": 2, \"skipped\": 0}, \"model\": "
            "{\"parameters\": "
            "1, \"trainable\": 1, \"gflop_per_image\": %.10g, \"memory_bytes\": 1}, \"curve\": [",
            m->device ? m->device : "d", or_one(m->gflop_per_image));
    for (int i = 1; i <= 5 && !m->untrained; i++)
        fprintf(to,
                "%s{\"epoch\": %d, \"step\": %d, \"loss\": %.6f, \"grad_norm\": 1, \"lr\": 1e-3, "
                "\"momentum\": 0.9, "
                "\"images_per_s\": 100, \"gflops\": 1, \"gemm_share\": 0, \"seconds\": 12}",
                i > 1 ? ", " : "", i, 5 * i, 0.9 - 0.05 * i + m->loss);
    fputs("], \"scores\": [", to);
    put_scores(to, m);
    char gflop[32] = "null";
    if (!isnan(m->gflop)) snprintf(gflop, sizeof gflop, "%.10g", m->untrained ? 0 : or_one(m->gflop));
    fprintf(to,
            "], \"cost\": {\"wall_s\": 70, \"train_s\": %.3f, \"gflop\": %s, \"peak_memory_bytes\": %.0f}}\n",
            m->train_s > 0 ? m->train_s : 60, gflop, m->bytes > 0 ? m->bytes : 1e8);
}
