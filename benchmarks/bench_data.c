/* The whole way from JPEG files to training batches, two views of 224 pixels with the published augmentation:
 * beside a torchvision DataLoader with as many workers, stage by stage, and over many images.
 *
 *     bench_data [options] PATH       PATH: a folder or an archive of CLASS/IMAGE, read once and repeated
 *
 * Prints tables; --out writes them as JSON.  README.md says what the numbers are. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_bench.h"
#include "file.h"
#include "peer.h"
#include "progress.h"

enum { MOST_ROUNDS = 25, MOST_WORKERS = 64, STAGE_ROUNDS = 3 };
enum { BATCH = 64, IMAGENET_IMG = 1281167 };

struct options {
    const char *path, *peers, *script, *out;
    int rounds, workers;
    int64_t images; /* over which memory is watched */
    double seconds;
};

/* Medians over the rounds.  A core's rate is images per second of processor time. */
enum way { SIMPLE, ONE, MANY, WAYS }; /* no loader; one worker; options.workers */
struct bench {
    struct options o;
    struct sim_data_bench data;
    const char *python; /* NULL: no peers */
    char *config;       /* ours as JSON, for the peer */
    int used[WAYS];     /* workers */
    double wall[WAYS], core[WAYS], peer_wall[WAYS], peer_core[WAYS], ratio[WAYS];
    double growth, peer_growth; /* of images per second, MANY to ONE worker */
    double growth_of_core;      /* the same of a core's rate: 1 where a worker costs the others nothing */
    double over_simple;         /* images per second with MANY workers to SIMPLE */
    char peer_version[160];
    double stage[SIM_DATA_STAGES];
    struct sim_data_start start;
    struct sim_data_memory memory;
};

/* ------------------------------------------------------------------ one round */

static sim_status our_rate(struct bench *b, enum way way, struct sim_data_rate *r)
{
    return way == SIMPLE ? sim_data_bench_simple(&b->data, b->o.seconds, r)
                         : sim_data_bench_loader(&b->data, b->used[way], b->o.seconds, r);
}

static sim_status peer_rate(struct bench *b, enum way way, struct sim_data_rate *r)
{
    char workers[16], seconds[32], batch[16];
    json_t *lines;
    snprintf(workers, sizeof workers, "%d", b->used[way]);
    snprintf(batch, sizeof batch, "%d", BATCH);
    snprintf(seconds, sizeof seconds, "%g", b->o.seconds);
    const char *const argv[] = {b->python, b->o.script, b->o.path, workers, batch, seconds, b->config, NULL};
    SIM_TRY(sim_peer_run(argv, &lines));
    const char *version = "";
    json_int_t images = 0;
    int wrong = json_unpack(json_array_get(lines, 0), "{s:I, s:F, s:F, s:s}", "images", &images, "wall_s",
                            &r->wall_s, "cpu_s", &r->cpu_s, "version", &version) != 0;
    r->images = images;
    snprintf(b->peer_version, sizeof b->peer_version, "%s", version);
    json_decref(lines);
    return wrong || images < 1 ? sim_fail(SIM_EFORMAT, "%s does not say how many images it made", b->o.script)
                               : SIM_OK;
}

static sim_status all_rounds(struct bench *b)
{
    double wall[WAYS][MOST_ROUNDS], core[WAYS][MOST_ROUNDS], peer_wall[WAYS][MOST_ROUNDS],
        peer_core[WAYS][MOST_ROUNDS], ratio[WAYS][MOST_ROUNDS], growth[MOST_ROUNDS], peer_growth[MOST_ROUNDS],
        of_core[MOST_ROUNDS], over_simple[MOST_ROUNDS];
    const int rounds = b->o.rounds;
    for (int i = 0; i < rounds; i++) {
        for (enum way w = 0; w < WAYS; w++) {
            struct sim_data_rate r, p = {0};
            SIM_TRY(our_rate(b, w, &r));
            if (b->python) SIM_TRY(peer_rate(b, w, &p));
            wall[w][i] = (double)r.images / r.wall_s, core[w][i] = (double)r.images / r.cpu_s;
            if (!b->python) continue;
            peer_wall[w][i] = (double)p.images / p.wall_s, peer_core[w][i] = (double)p.images / p.cpu_s;
            ratio[w][i] = core[w][i] / peer_core[w][i];
        }
        growth[i] = wall[MANY][i] / wall[ONE][i], over_simple[i] = wall[MANY][i] / wall[SIMPLE][i];
        of_core[i] = core[MANY][i] / core[ONE][i];
        if (b->python) peer_growth[i] = peer_wall[MANY][i] / peer_wall[ONE][i];
        sim_log("data: round %d of %d done", i + 1, rounds);
    }
    for (enum way w = 0; w < WAYS; w++) {
        b->wall[w] = sim_median(wall[w], rounds), b->core[w] = sim_median(core[w], rounds);
        if (!b->python) continue;
        b->peer_wall[w] = sim_median(peer_wall[w], rounds),
        b->peer_core[w] = sim_median(peer_core[w], rounds);
        b->ratio[w] = sim_median(ratio[w], rounds);
    }
    b->growth = sim_median(growth, rounds), b->over_simple = sim_median(over_simple, rounds);
    b->growth_of_core = sim_median(of_core, rounds);
    if (b->python) b->peer_growth = sim_median(peer_growth, rounds);
    return SIM_OK;
}

/* ------------------------------------------------------------------ what comes out */

static void print_rates(const struct bench *b)
{
    static const char *const names[WAYS] = {"no loader", "loader", "loader"};
    printf("\n| way | workers | images/s | of a core | DataLoader images/s | of a core | ratio of cores |\n"
           "|---|---:|---:|---:|---:|---:|---:|\n");
    for (int w = 0; w < WAYS; w++) {
        printf("| %s | %d | %.0f | %.0f |", names[w], b->used[w], b->wall[w], b->core[w]);
        if (b->python)
            printf(" %.0f | %.0f | %.2f |\n", b->peer_wall[w], b->peer_core[w], b->ratio[w]);
        else
            printf(" no peers (make peers) | | |\n");
    }
    printf("\nTwo views of 224 pixels of each image; of a core: per second of processor time of all threads "
           "and processes.\n"
           "From 1 to %d workers: images/s x %.2f, a core's x %.2f; %d workers beside no loader: x %.2f",
           b->used[MANY], b->growth, b->growth_of_core, b->used[MANY], b->over_simple);
    if (b->python) printf("; DataLoader from 1 to %d: x %.2f", b->used[MANY], b->peer_growth);
    printf(".\nMedians of %d rounds of %g s each%s%s.\n", b->o.rounds, b->o.seconds, b->python ? "; " : "",
           b->peer_version);
}

static double whole(const struct bench *b)
{
    double sum = 0;
    for (int s = 0; s < SIM_DATA_STAGES; s++) sum += b->stage[s];
    return sum;
}

static void print_stages(const struct bench *b)
{
    printf("\n| stage | us an image | share | images/s of a core, this alone |\n|---|---:|---:|---:|\n");
    for (int s = 0; s < SIM_DATA_STAGES; s++)
        printf("| %s | %.1f | %.1f %% | %.0f |\n", sim_data_stage_names[s], 1e6 * b->stage[s],
               100 * b->stage[s] / whole(b), 1 / b->stage[s]);
    printf("| all | %.1f | | %.0f |\n", 1e6 * whole(b), 1 / whole(b));
}

static void print_start_and_memory(const struct bench *b)
{
    printf("\nAn epoch of %ld images, %d workers: opened in %.0f ms, first batch of %d after %.0f ms; %.0f "
           "images/s within "
           "an epoch,\n%.0f images/s over the 16 batches around the start of the next.\n",
           (long)b->data.images.count, b->used[MANY], 1e3 * b->start.open_s, BATCH,
           1e3 * b->start.first_batch_s, b->start.middle_img_s, b->start.start_img_s);
    printf("\n| images so far |");
    for (int p = 0; p < SIM_DATA_MEMORY_POINTS; p++) printf(" %ld |", (long)b->memory.images[p]);
    printf("\n|---|");
    for (int p = 0; p < SIM_DATA_MEMORY_POINTS; p++) printf("---:|");
    printf("\n| resident memory, MiB |");
    for (int p = 0; p < SIM_DATA_MEMORY_POINTS; p++) printf(" %.1f |", b->memory.rss_mb[p]);
    printf("\n");
}

static json_t *number_or_null(double x)
{
    return x > 0 ? json_real(x) : json_null();
}

static json_t *as_json(const struct bench *b)
{
    json_t *rates = json_array(), *stages = json_object(), *memory = json_array();
    for (int w = 0; w < WAYS; w++)
        json_array_append_new(rates, json_pack("{s:s, s:i, s:f, s:f, s:o, s:o, s:o}", "way",
                                               w ? "loader" : "no loader", "workers", b->used[w],
                                               "images_per_s", b->wall[w], "images_per_core_s", b->core[w],
                                               "peer_images_per_s", number_or_null(b->peer_wall[w]),
                                               "peer_images_per_core_s", number_or_null(b->peer_core[w]),
                                               "ratio_of_cores", number_or_null(b->ratio[w])));
    for (int s = 0; s < SIM_DATA_STAGES; s++)
        json_object_set_new(stages, sim_data_stage_names[s], json_real(1e6 * b->stage[s]));
    for (int p = 0; p < SIM_DATA_MEMORY_POINTS; p++)
        json_array_append_new(memory, json_pack("{s:I, s:f}", "images", (json_int_t)b->memory.images[p],
                                                "resident_mb", b->memory.rss_mb[p]));
    return json_pack("{s:o, s:f, s:o, s:f, s:f, s:o, s:{s:I, s:f, s:f, s:f, s:f}, s:o, s:i, s:f, s:s}",
                     "rates", rates, "growth", b->growth, "peer_growth", number_or_null(b->peer_growth),
                     "growth_of_core", b->growth_of_core, "over_no_loader", b->over_simple, "stages_us",
                     stages, "epoch_start", "images", (json_int_t)b->data.images.count, "open_s",
                     b->start.open_s, "first_batch_s", b->start.first_batch_s, "middle_images_per_s",
                     b->start.middle_img_s, "start_images_per_s", b->start.start_img_s, "memory", memory,
                     "rounds", b->o.rounds, "seconds", b->o.seconds, "peer", b->peer_version);
}

static sim_status write_json(const struct bench *b)
{
    json_t *all = as_json(b);
    char *text = all ? json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : NULL;
    json_decref(all);
    if (!text) return sim_fail(SIM_ENOMEM, "no memory for %s", b->o.out);
    sim_status status = sim_file_write(b->o.out, text, strlen(text));
    free(text);
    return status;
}

/* ------------------------------------------------------------------ all of it */

static sim_status run(struct bench *b)
{
    char room[1024];
    if (sim_peer_python(b->o.peers, room, sizeof room)) b->python = room;
    b->used[ONE] = 1, b->used[MANY] = b->o.workers;
    SIM_TRY(sim_data_bench_open(&b->data, b->o.path, IMAGENET_IMG, BATCH));
    SIM_TRY(sim_fields_dump_json(sim_run_schema(), &b->data.config, &b->config));
    printf("%s: %ld images, repeated.\n", b->o.path, (long)b->data.opened_images);
    SIM_TRY(all_rounds(b));
    print_rates(b);
    SIM_TRY(sim_data_bench_stages(&b->data, STAGE_ROUNDS, b->stage));
    print_stages(b);
    SIM_TRY(sim_data_bench_start(&b->data, b->used[MANY], &b->start));
    SIM_TRY(sim_data_bench_memory(&b->data, b->used[MANY], b->o.images, &b->memory));
    print_start_and_memory(b);
    return b->o.out ? write_json(b) : SIM_OK;
}

static int parse(struct options *o, int argc, char **argv)
{
    static const struct option table[] = {{"rounds", required_argument, NULL, 'r'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"workers", required_argument, NULL, 'w'},
                                          {"images", required_argument, NULL, 'i'},
                                          {"peers", required_argument, NULL, 'p'},
                                          {"out", required_argument, NULL, 'o'},
                                          {NULL, 0, NULL, 0}};
    *o = (struct options){.peers = "build/peers",
                          .script = "benchmarks/peers/bench_loader.py",
                          .rounds = 3,
                          .workers = 2,
                          .images = 20000,
                          .seconds = 4};
    int wrong = 0;
    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        if (c == 'r')
            o->rounds = atoi(optarg);
        else if (c == 's')
            o->seconds = atof(optarg);
        else if (c == 'w')
            o->workers = atoi(optarg);
        else if (c == 'i')
            o->images = atoll(optarg);
        else if (c == 'p')
            o->peers = optarg;
        else if (c == 'o')
            o->out = optarg;
        else
            wrong = 1;
    }
    wrong |= argc - optind != 1 || o->rounds < 1 || o->rounds > MOST_ROUNDS || o->workers < 1 ||
             o->workers > MOST_WORKERS || !(o->seconds > 0) || o->images < BATCH;
    if (!wrong) o->path = argv[optind];
    return wrong;
}

int main(int argc, char **argv)
{
    static struct bench b;
    if (parse(&b.o, argc, argv)) {
        fprintf(stderr,
                "usage: bench_data [--rounds 1..%d] [--seconds OF_EACH] [--workers 1..%d] [--images "
                "OVER_WHICH_MEMORY_IS_WATCHED]\n"
                "                  [--peers FOLDER] [--out FILE] PATH\n"
                "PATH: a folder or an archive of CLASS/IMAGE; run it from the repository's root\n",
                MOST_ROUNDS, MOST_WORKERS);
        return 2;
    }
    sim_status status = run(&b);
    sim_data_bench_close(&b.data);
    free(b.config);
    if (status == SIM_OK) return 0;
    fprintf(stderr, "bench_data: %s\n", sim_error_text());
    return 1;
}
