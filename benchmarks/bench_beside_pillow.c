/* Decoding and image operations per second, beside Pillow and torchvision: runs bench_images and peers/bench_pillow.py in
 * alternation, prints the medians as a table. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "peer.h"
#include "progress.h"

enum { MOST_OPS = 16, MOST_ROUNDS = 100 };

struct op {
    const char *name; /* owned by the first round's lines */
    double ours[MOST_ROUNDS], theirs[MOST_ROUNDS], ratio[MOST_ROUNDS];
    int equal; /* sums agree in every round */
};

struct bench {
    const char *program, *folder, *peers, *script, *out;
    int rounds;
    int count;
    struct op ops[MOST_OPS];
    json_t *first; /* our lines of the first round */
    char pillow[32];
};

static double speed_of(const json_t *line)
{
    return json_number_value(json_object_get(line, "images_per_s"));
}

static const char *text_of(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));
    return text ? text : "";
}

static sim_status keep_ours(struct bench *b, const json_t *lines, int round)
{
    if (json_array_size(lines) > MOST_OPS || (round && (int)json_array_size(lines) != b->count))
        return sim_fail(SIM_EFORMAT, "%s printed %zu lines", b->program, json_array_size(lines));
    b->count = (int)json_array_size(lines);
    for (int i = 0; i < b->count; i++) {
        const json_t *line = json_array_get(lines, (size_t)i);
        if (!round) b->ops[i] = (struct op){.name = text_of(line, "op"), .equal = 1};
        b->ops[i].ours[round] = speed_of(line);
    }
    return SIM_OK;
}

static sim_status keep_theirs(struct bench *b, const json_t *ours, const json_t *lines, int round)
{
    for (int i = 0; i < b->count; i++) {
        const json_t *line = json_array_get(lines, (size_t)i);
        struct op *op = &b->ops[i];
        if (strcmp(text_of(line, "op"), op->name) != 0 || !(speed_of(line) > 0))
            return sim_fail(SIM_EFORMAT, "%s has no speed for '%s' in line %d", b->script, op->name, i + 1);
        op->theirs[round] = speed_of(line);
        op->ratio[round] = op->ours[round] / op->theirs[round];
        op->equal &= strcmp(text_of(line, "crc32"), text_of(json_array_get(ours, (size_t)i), "crc32")) == 0;
        snprintf(b->pillow, sizeof b->pillow, "%s", text_of(line, "pillow"));
    }
    return SIM_OK;
}

static sim_status run_round(struct bench *b, const char *python, int round)
{
    const char *const ours[] = {b->program, b->folder, NULL}, *const theirs[] = {python, b->script, b->folder, NULL};
    json_t *lines, *peer = NULL;
    SIM_TRY(sim_peer_run(ours, &lines));
    sim_status status = keep_ours(b, lines, round);
    if (status == SIM_OK && python) status = sim_peer_run(theirs, &peer);
    if (peer) status = keep_theirs(b, lines, peer, round);
    json_decref(peer);
    if (round) json_decref(lines);
    else b->first = lines;
    if (status == SIM_OK) sim_log("images: round %d of %d done", round + 1, b->rounds);
    return status;
}

static sim_status write_json(const struct bench *b, const double median[][3], int with_peer)
{
    json_t *list = json_array();
    for (int i = 0; i < b->count; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:f, s:o, s:o, s:o}", "op", b->ops[i].name, "images_per_s", median[i][0],
                            "pillow_images_per_s", with_peer ? json_real(median[i][1]) : json_null(), "ratio",
                            with_peer ? json_real(median[i][2]) : json_null(), "equal_pixels",
                            with_peer ? json_boolean(b->ops[i].equal) : json_null()));
    char *text = json_dumps(list, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(list);
    if (!text) return sim_fail(SIM_ENOMEM, "no memory for %s", b->out);
    sim_status status = sim_file_write(b->out, text, strlen(text));
    free(text);
    return status;
}

static sim_status run(struct bench *b)
{
    char room[1024];
    const char *python = sim_peer_python(b->peers, room, sizeof room) ? room : NULL;
    double median[MOST_OPS][3];
    if (b->rounds < 1 || b->rounds > MOST_ROUNDS)
        return sim_fail(SIM_EINVAL, "%d rounds: 1 to %d are possible", b->rounds, MOST_ROUNDS);
    for (int i = 0; i < b->rounds; i++) SIM_TRY(run_round(b, python, i));
    printf("\n| operation | images/s | Pillow images/s | ratio | same pixels |\n|---|---:|---:|---:|---|\n");
    for (int i = 0; i < b->count; i++) {
        struct op *op = &b->ops[i];
        median[i][0] = sim_median(op->ours, b->rounds);
        printf("| %s | %.0f |", op->name, median[i][0]);
        if (!python) {
            printf(" no peers (make peers) | | |\n");
            continue;
        }
        median[i][1] = sim_median(op->theirs, b->rounds);
        median[i][2] = sim_median(op->ratio, b->rounds);
        printf(" %.0f | %.2f | %s |\n", median[i][1], median[i][2], op->equal ? "yes" : "no");
    }
    printf("\nPer second of processor time of one thread, medians of %d rounds%s%s.\n", b->rounds,
           python ? "; Pillow " : "", b->pillow);
    return b->out ? write_json(b, median, python != NULL) : SIM_OK;
}

int main(int argc, char **argv)
{
    static const struct option table[] = {{"rounds", required_argument, NULL, 'r'}, {"peers", required_argument, NULL, 'p'},
                                          {"out", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
    static struct bench b = {.peers = "build/peers", .script = "benchmarks/peers/bench_pillow.py", .rounds = 3};
    int wrong = 0;
    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        if (c == 'r') b.rounds = atoi(optarg);
        else if (c == 'p') b.peers = optarg;
        else if (c == 'o') b.out = optarg;
        else wrong = 1;
    }
    if (wrong || argc - optind != 2) {
        fputs("usage: bench_beside_pillow [--rounds N] [--peers FOLDER] [--out FILE] BENCH_IMAGES FOLDER\n"
              "BENCH_IMAGES is that program; FOLDER gets its inputs for the peer; run it from the repository's root\n",
              stderr);
        return 2;
    }
    b.program = argv[optind], b.folder = argv[optind + 1];
    sim_status status = run(&b);
    json_decref(b.first);
    if (status == SIM_OK) return 0;
    fprintf(stderr, "bench_beside_pillow: %s\n", sim_error_text());
    return 1;
}
