#include "sweeps.h"

#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "status.h"
#include "support.h"

const char *sweep_file(const char *folder, const char *more_runs)
{
    static char path[800];
    char text[4000];
    snprintf(path, sizeof path, "%s/trial.yaml", folder);
    snprintf(
        text, sizeof text,
        "name: trial\n"
        "seeds: [0, 1]\n"
        "base:\n"
        "  model: {img_size: 32, patch_size: 8, embed_dim: 32, depth: 1, num_heads: 2}\n"
        "  siameseim: {decoder_embed_dim: 32, decoder_num_heads: 4, projector_depth: 1, predictor_depth: 1}\n"
        "  mask: {min_block: 2}\n"
        "  data: {procedural_train_per_class: 4, procedural_val_per_class: 2, procedural_size: 40, cache_mb: "
        "16}\n"
        "  train: {epochs: 4, batch_size: 16, lr: 1.0e-3, warmup_epochs: 1, save_every_steps: 1}\n"
        "  eval: {knn_k: 5, logistic_max_iter: 20, batch_size: 32}\n"
        "runs:\n"
        "  plain: {}\n"
        "  open: {mask: {kind: none}}\n%s",
        more_runs);
    test_ok(sim_file_write(path, text, strlen(text)));
    return path;
}

int sweep_running(pid_t p)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)p, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

char *sweep_said(const char *log)
{
    char *text;
    test_ok(sim_file_read(log, 1 << 24, &text, NULL));
    return text;
}

int sweep_count(const char *text, const char *word)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, word)); p += strlen(word)) n++;
    return n;
}

int sweep_children(pid_t p, pid_t *out, int most)
{
    int n = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *e; n < most && (e = readdir(d));) {
        char path[300], text[1024], state, *end;
        int parent;
        if (!isdigit((unsigned char)e->d_name[0])) continue;
        snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        FILE *f = fopen(path, "r");
        if (!f) continue;
        text[fread(text, 1, sizeof text - 1, f)] = 0;
        fclose(f);
        end = strrchr(text, ')');
        if (end && sscanf(end + 1, " %c %d", &state, &parent) == 2 && parent == p && state != 'Z')
            out[n++] = (pid_t)atoi(e->d_name);
    }
    closedir(d);
    return n;
}

void sweep_nap(double s)
{
    struct timespec t = {(time_t)s, (long)(1e9 * (s - (double)(time_t)s))};
    nanosleep(&t, NULL);
}

json_t *sweep_records(const char *out, int *lines, int *oks)
{
    char path[900], key[200], *text, *save = NULL;
    json_t *all = json_object();
    *lines = *oks = 0;
    snprintf(path, sizeof path, "%s/records.jsonl", out);
    if (access(path, F_OK) != 0) return all;
    test_ok(sim_file_read(path, 1 << 24, &text, NULL));
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        if (!o && line[strlen(line) - 1] != '}') continue; /* cut off by a kill; readers pass it over too */
        ck_assert_msg(o != NULL, "a line of %s is no JSON: %.80s", path, line);
        ++*lines, *oks += strcmp(json_string_value(json_object_get(o, "status")), "ok") == 0;
        snprintf(key, sizeof key, "%s %lld", json_string_value(json_object_get(o, "name")),
                 (long long)json_integer_value(json_object_get(o, "seed")));
        json_object_set_new(all, key, o);
    }
    free(text);
    return all;
}

/* What a repetition must give again. */
static json_t *results_of(json_t *record)
{
    static const char *const same[] = {"experiment",  "name",   "seed",  "status",
                                       "config_hash", "config", "scores"},
                             *const points[] = {"epoch", "step", "loss", "grad_norm", "lr", "momentum"};
    json_t *o = json_object(), *curve = json_array(), *point;
    size_t index;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        json_object_set(o, same[i], json_object_get(record, same[i]));
    json_array_foreach(json_object_get(record, "curve"), index, point)
    {
        json_t *p = json_object();
        for (size_t i = 0; i < sizeof points / sizeof *points; i++)
            json_object_set(p, points[i], json_object_get(point, points[i]));
        json_array_append_new(curve, p);
    }
    json_object_set_new(o, "curve", curve);
    return o;
}

void sweep_same(const char *out_a, const char *out_b)
{
    int lines, oks;
    json_t *a = sweep_records(out_a, &lines, &oks), *b = sweep_records(out_b, &lines, &oks), *record;
    const char *key;
    ck_assert_uint_eq(json_object_size(a), json_object_size(b));
    json_object_foreach(a, key, record)
    {
        json_t *x = results_of(record), *y = results_of(json_object_get(b, key));
        char *s = json_dumps(x, JSON_SORT_KEYS), *t = json_dumps(y, JSON_SORT_KEYS);
        ck_assert_msg(strcmp(s, t) == 0, "%s differs:\n%s\n%s", key, s, t);
        free(s), free(t);
        json_decref(x), json_decref(y);
    }
    json_decref(a), json_decref(b);
}
