/* Packs: no bytes do harm, and every image of an accepted pack can be asked for, also to be packed again.
 * Hashes of the header are put in order first, as whoever means harm would do it; without that no input would
 * get behind them. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "encode.h"
#include "pack.h"
#include "pack_write.h"
#include "progress.h"
#include "seeds.h"

static sim_status read_picture(void *self, const struct sim_member *m, struct sim_bytes *out)
{
    static const uint8_t rgb[12] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9};
    void *png;
    size_t count;
    (void)self;
    FUZZ_CHECK(sim_png_encode(rgb, 2, 2, &png, &count) == SIM_OK);
    FUZZ_CHECK(sim_bytes_reserve(out, count, m->path) == SIM_OK);
    memcpy(out->data, png, out->count = count);
    free(png);
    return SIM_OK;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const names[] = {"cat/1.png", "cat/2.png", "dog/1.png"};
    const char *path = fuzz_seed_path(*argc, *argv, "three.pack");
    struct sim_pack_source source = {.about = "made up", .read = read_picture};
    struct sim_pack_config c = {.source = &source, .path = path, .workers = 1};
    struct sim_pack_made made;
    sim_progress_quiet(1);
    if (!path) return 0;
    for (int i = 0; i < 3; i++) FUZZ_CHECK(sim_catalogue_add(&source.list, names[i], 100, NULL) == SIM_OK);
    FUZZ_CHECK(sim_catalogue_finish(&source.list, "seed") == SIM_OK);
    FUZZ_CHECK(sim_pack_write(&c, &made) == SIM_OK);
    sim_pack_source_close(&source);
    return 0;
}

static void seal(uint8_t *bytes, size_t count)
{
    struct sim_pack_header h;
    struct sim_pack_places at;
    if (count < sizeof h) return;
    memcpy(&h, bytes, sizeof h);
    memcpy(h.magic, SIM_PACK_MAGIC, sizeof h.magic);
    h.version = SIM_PACK_VERSION, h.file_bytes = count;
    if (!sim_pack_place(&h, &at) || at.end > count) return;
    uint64_t data_end = SIM_PACK_HEADER_BYTES + h.data_bytes;
    h.hash = sim_pack_header_hash(&h, bytes + data_end, (size_t)(at.index - data_end));
    memcpy(bytes, &h, sizeof h);
}

/* A pack as the source of another: every image is of a class, by its name and by its label. */
static void pack_again(const char *path)
{
    struct sim_pack_source source;
    struct sim_bytes file = {0};
    if (sim_pack_source_open(&source, &(struct sim_pack_source_config){.path = path}) != SIM_OK) return;
    for (int64_t i = 0; i < source.list.count; i++) {
        const struct sim_member *m = &source.list.members[i];
        FUZZ_CHECK(strchr(m->path, '/') && m->label >= 0 && m->label < source.list.class_count);
        (void)source.read(source.self, m, &file);
    }
    sim_bytes_close(&file);
    sim_pack_source_close(&source);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    char path[FUZZ_PATH_BYTES];
    struct sim_images set = {0};
    struct sim_pack_check check = {.path = path, .workers = 1, .decode = 1};
    uint8_t *sealed = malloc(count ? count : 1);
    FUZZ_CHECK(sealed != NULL);
    memcpy(sealed, bytes, count);
    seal(sealed, count);
    int fd = fuzz_memory_file(sealed, count, path);
    if (sim_pack_open(&set, path) == SIM_OK) {
        fuzz_read_all(&set);
        (void)sim_pack_verify(&check);
        pack_again(path);
    }
    sim_images_close(&set);
    close(fd);
    free(sealed);
    return 0;
}
