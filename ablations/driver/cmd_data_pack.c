/* siameseim data pack. */
#include <stdio.h>
#include <string.h>

#include "cmd_data.h"
#include "options.h"
#include "pack.h"
#include "pack_write.h"
#include "progress.h"

static sim_status pack(const struct sim_pack_source_config *from, struct sim_pack_config *c)
{
    struct sim_pack_source source;
    struct sim_pack_made made;
    struct sim_pack pack;
    char hash[17];
    SIM_TRY(sim_pack_source_open(&source, from));
    sim_log("%s: %lld images of %d classes (%s)", from->path, (long long)source.list.count,
            source.list.class_count, source.about);
    c->source = &source;
    sim_status status = sim_pack_write(c, &made);
    sim_pack_source_close(&source);
    SIM_TRY(status);
    SIM_TRY(sim_pack_map(&pack, c->path));
    sim_pack_hash(&pack, hash);
    printf("%s: %lld images of %d classes, %.1f MB, pack %s\n", c->path, (long long)made.images,
           pack.class_count, (double)made.file_bytes / 1e6, hash);
    sim_pack_unmap(&pack);
    if (c->short_side)
        printf("made smaller: %lld images, to a shorter side of %d pixels, as JPEG of quality %d\n",
               (long long)made.recoded, c->short_side, c->quality);
    if (made.damaged) printf("damaged, packed as they are: %lld images\n", (long long)made.damaged);
    return SIM_OK;
}

/* What stands on the command line beside the two files. */
struct texts {
    const char *short_side, *quality, *workers;
};

static sim_status parse(const struct texts *t, struct sim_pack_config *c)
{
    int64_t side = 0, quality = 90;
    if (t->short_side) SIM_TRY(sim_options_whole("--short-side", t->short_side, 8, 8192, &side));
    if (t->quality) SIM_TRY(sim_options_whole("--quality", t->quality, 1, 100, &quality));
    if (t->quality && !side)
        return sim_fail(SIM_EINVAL,
                        "--quality is for images that are made smaller: --short-side N is missing");
    if (c->keep_damaged && !side)
        return sim_fail(
            SIM_EINVAL,
            "--keep-damaged is for images that are made smaller; without --short-side none is decoded");
    c->short_side = (int)side, c->quality = (int)quality;
    return sim_data_workers(t->workers, &c->workers);
}

sim_status sim_data_pack_command(int argc, char **argv)
{
    struct sim_words words = {0};
    struct sim_pack_source_config from = {0};
    struct sim_pack_config c = {0};
    struct texts t = {0};
    const struct sim_option options[] = {
        {"--val", &from.val, NULL, NULL},         {"--labels", NULL, &from.labels, NULL},
        {"--synsets", NULL, &from.synsets, NULL}, {"--short-side", NULL, &t.short_side, NULL},
        {"--quality", NULL, &t.quality, NULL},    {"--keep-damaged", &c.keep_damaged, NULL, NULL},
        {"--anew", &c.anew, NULL, NULL},          {"--workers", NULL, &t.workers, NULL}};
    sim_status status = sim_options_parse(argc, argv, options, 8, &words);
    if (status == SIM_OK && words.count != 2)
        status = sim_fail(SIM_EINVAL, "pack: SRC and OUT.pack are needed; see --help");
    if (status == SIM_OK && from.synsets && !from.labels)
        status =
            sim_fail(SIM_EINVAL, "--synsets names the numbers of a list of labels: --labels FILE is missing");
    if (status == SIM_OK) status = parse(&t, &c);
    if (status == SIM_OK) {
        from.path = words.word[0], c.path = words.word[1];
        size_t n = strlen(c.path);
        status = n > 5 && strcmp(c.path + n - 5, ".pack") == 0
                     ? pack(&from, &c)
                     : sim_fail(SIM_EINVAL, "%s: the name of a pack ends in .pack", c.path);
    }
    sim_words_close(&words);
    return status;
}
