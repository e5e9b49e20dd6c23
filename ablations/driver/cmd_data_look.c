/* siameseim data info, verify and show. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd_data.h"
#include "contact_sheet.h"
#include "images.h"
#include "options.h"
#include "pack.h"

/* The one word, or the two, that a part takes besides its options. */
static sim_status expect_words(const struct sim_words *w, int count, const char *usage)
{
    return w->count == count ? SIM_OK : sim_fail(SIM_EINVAL, "usage: siameseim data %s; see --help", usage);
}

/* ---------------------------------------------------------------- info */

/* Images of each class, in counts[classes]. */
static sim_status count_classes(const struct sim_images *set, int64_t **counts, int64_t *least, int64_t *most)
{
    *counts = calloc((size_t)set->classes, sizeof **counts);
    if (!*counts) return sim_fail(SIM_ENOMEM, "no memory for %d classes", set->classes);
    for (int64_t i = 0; i < set->count; i++) (*counts)[set->label(set->self, i)]++;
    *least = *most = (*counts)[0];
    for (int k = 0; k < set->classes; k++) {
        if ((*counts)[k] < *least) *least = (*counts)[k];
        if ((*counts)[k] > *most) *most = (*counts)[k];
    }
    return SIM_OK;
}

static void print_pack(const struct sim_pack *p)
{
    const struct sim_pack_header *h = p->header;
    uint64_t least = UINT64_MAX, most = 0;
    char hash[17];
    for (int64_t i = 0; i < p->images; i++) {
        if (p->index[i].bytes < least) least = p->index[i].bytes;
        if (p->index[i].bytes > most) most = p->index[i].bytes;
    }
    sim_pack_hash(p, hash);
    printf("  made from   %s\n", h->source);
    printf("  files       %llu to %llu bytes, mean %llu; the pack %.1f MB\n", (unsigned long long)least,
           (unsigned long long)most, (unsigned long long)(h->data_bytes / h->images),
           (double)p->map_bytes / 1e6);
    if (h->short_side)
        printf("  form        %llu images made smaller, to a shorter side of %u pixels, JPEG of quality %u; "
               "the others "
               "as they were\n",
               (unsigned long long)h->recoded, h->short_side, h->quality);
    else
        printf("  form        files as they were\n");
    printf("  pack        %s, over every byte\n", hash);
}

static sim_status info(const char *path, int with_classes)
{
    struct sim_images set;
    struct sim_pack pack = {0};
    int64_t *counts = NULL, least = 0, most = 0;
    SIM_TRY(sim_images_open_path(&set, path, "SET"));
    sim_status status = count_classes(&set, &counts, &least, &most);
    if (status == SIM_OK && *set.pack_hash) status = sim_pack_map(&pack, path);
    if (status == SIM_OK) {
        printf("%s\n", path);
        printf("  images      %lld of %d classes, %lld to %lld in each\n", (long long)set.count, set.classes,
               (long long)least, (long long)most);
        if (pack.map) print_pack(&pack);
        printf("  manifest    %s, over names, labels and sizes\n", set.manifest_hash);
        for (int k = 0; k < set.classes && with_classes; k++)
            printf("  class %-5d %8lld  %s\n", k, (long long)counts[k], set.class_name(set.self, k));
    }
    free(counts);
    sim_pack_unmap(&pack);
    sim_images_close(&set);
    return status;
}

sim_status sim_data_info_command(int argc, char **argv)
{
    struct sim_words words = {0};
    int with_classes = 0;
    const struct sim_option options[] = {{"--classes", &with_classes, NULL, NULL}};
    sim_status status = sim_options_parse(argc, argv, options, 1, &words);
    if (status == SIM_OK) status = expect_words(&words, 1, "info SET");
    if (status == SIM_OK) status = info(words.word[0], with_classes);
    sim_words_close(&words);
    return status;
}

/* ---------------------------------------------------------------- verify */

static void print_damaged(void *context, int64_t i, const char *what)
{
    (void)context;
    if (i >= 0)
        printf("image %lld: %s\n", (long long)i, what);
    else
        printf("tables: %s\n", what);
}

sim_status sim_data_verify_command(int argc, char **argv)
{
    struct sim_words words = {0};
    struct sim_pack_check c = {.tell = print_damaged};
    const char *workers = NULL;
    const struct sim_option options[] = {{"--decode", &c.decode, NULL, NULL},
                                         {"--workers", NULL, &workers, NULL}};
    sim_status status = sim_options_parse(argc, argv, options, 2, &words);
    if (status == SIM_OK) status = expect_words(&words, 1, "verify SET.pack");
    if (status == SIM_OK) status = sim_data_workers(workers, &c.workers);
    if (status == SIM_OK) {
        c.path = words.word[0];
        status = sim_pack_verify(&c);
    }
    if (status == SIM_OK)
        printf("%s: %lld images, %.1f MB: whole%s\n", c.path, (long long)c.images, (double)c.bytes / 1e6,
               c.decode ? ", and every image can be decoded" : "");
    sim_words_close(&words);
    return status;
}

/* ---------------------------------------------------------------- show */

static sim_status show(const char *path, const char *out, struct sim_contact_sheet *s)
{
    struct sim_images set;
    struct sim_image sheet = {0};
    SIM_TRY(sim_images_open_path(&set, path, "SET"));
    sim_status status = sim_contact_sheet_draw(s, &set, &sheet);
    if (status == SIM_OK) status = sim_png_write(out, sheet.rgb, sheet.width, sheet.height);
    if (status == SIM_OK)
        printf("%s: %d x %d pixels, %d images of %s%s\n", out, sheet.width, sheet.height, s->shown, path,
               s->damaged ? "; those crossed out are damaged" : "");
    sim_image_close(&sheet);
    sim_images_close(&set);
    return status;
}

sim_status sim_data_show_command(int argc, char **argv)
{
    struct sim_words words = {0};
    const char *text[4] = {NULL, NULL, NULL, NULL};
    int64_t classes = 10, images = 8, side = 96, seed = 0;
    const struct sim_option options[] = {{"--classes", NULL, &text[0], NULL},
                                         {"--images", NULL, &text[1], NULL},
                                         {"--size", NULL, &text[2], NULL},
                                         {"--seed", NULL, &text[3], NULL}};
    sim_status status = sim_options_parse(argc, argv, options, 4, &words);
    if (status == SIM_OK) status = expect_words(&words, 2, "show SET OUT.png");
    if (status == SIM_OK && text[0]) status = sim_options_whole("--classes", text[0], 1, 1000, &classes);
    if (status == SIM_OK && text[1]) status = sim_options_whole("--images", text[1], 1, 1000, &images);
    if (status == SIM_OK && text[2]) status = sim_options_whole("--size", text[2], 16, 1024, &side);
    if (status == SIM_OK && text[3]) status = sim_options_whole("--seed", text[3], 0, INT64_MAX, &seed);
    struct sim_contact_sheet s = {
        .classes = (int)classes, .per_class = (int)images, .side = (int)side, .seed = (uint64_t)seed};
    if (status == SIM_OK) status = show(words.word[0], words.word[1], &s);
    sim_words_close(&words);
    return status;
}
