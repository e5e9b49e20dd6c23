/* Every limit on what a set of images may claim: files that stand for more pixels, bytes, folders or work
 * than their size can pay for are refused with a sentence that says so.  (tests/README.md lists the limits.)
 */
#include "images.h"
#include "made_archive.h"
#include "progress.h"
#include "support.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>
#include <zlib.h>

/* ------------------------------------------------------------------ JPEG */

struct bytes {
    unsigned char *at;
    unsigned long count;
};

/* A grey JPEG of side x side equal pixels; scans > 0: progressive, a frequency in each of so many (64 at
 * most). */
static struct bytes flat_jpeg(int side, int scans, boolean arithmetic)
{
    struct jpeg_compress_struct j;
    struct jpeg_error_mgr errors;
    struct bytes b = {0};
    unsigned char *row = calloc((size_t)side, 1);
    jpeg_scan_info *script = calloc((size_t)scans + 1, sizeof *script);
    for (int s = 0; s < scans; s++) script[s] = (jpeg_scan_info){.comps_in_scan = 1, .Ss = s, .Se = s};
    j.err = jpeg_std_error(&errors);
    jpeg_create_compress(&j);
    jpeg_mem_dest(&j, &b.at, &b.count);
    j.image_width = j.image_height = (JDIMENSION)side;
    j.input_components = 1;
    j.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&j);
    j.arith_code = arithmetic;
    if (scans) j.scan_info = script, j.num_scans = scans;
    jpeg_start_compress(&j, TRUE);
    while (j.next_scanline < j.image_height) {
        JSAMPROW rows[1] = {row};
        jpeg_write_scanlines(&j, rows, 1);
    }
    jpeg_finish_compress(&j);
    jpeg_destroy_compress(&j);
    free(script);
    free(row);
    return b;
}

/* Where a marker stands. */
static size_t find_marker(struct bytes b, unsigned char marker)
{
    for (size_t i = 0; i + 1 < b.count; i++)
        if (b.at[i] == 0xff && b.at[i + 1] == marker) return i;
    ck_abort_msg("no marker %02x", marker);
}

static void refuse(const void *bytes, size_t count, const char *word)
{
    struct sim_image im;
    test_fails(sim_decode(bytes, count, "set/bomb.jpg", &im), word);
    ck_assert_msg(strstr(sim_error_text(), "set/bomb.jpg") != NULL, "\"%s\" names no file", sim_error_text());
    ck_assert_ptr_null(im.rgb);
}

/* The last scan of a progressive file is repeated: 64 are taken, more than a hundred are not. */
START_TEST(jpeg_of_too_many_scans)
{
    struct bytes b = flat_jpeg(64, 64, FALSE);
    struct sim_image im;
    test_ok(sim_decode(b.at, b.count, "64 scans", &im));
    sim_image_close(&im);
    size_t scan = find_marker(b, 0xda), last = scan;
    for (size_t i = scan; i + 1 < b.count; i++)
        if (b.at[i] == 0xff && b.at[i + 1] == 0xda) last = i;
    size_t scan_bytes = b.count - 2 - last, count = last;
    unsigned char *bomb = malloc(b.count + 60 * scan_bytes);
    memcpy(bomb, b.at, last);
    for (int k = 0; k < 60; k++, count += scan_bytes) memcpy(bomb + count, b.at + last, scan_bytes);
    memcpy(bomb + count, "\xff\xd9", 2);
    refuse(bomb, count + 2, "more than 100 scans");
    free(bomb);
    free(b.at);
}
END_TEST

/* The largest flat image that Huffman coding can say is taken; one whose bytes cannot be enough is not,
 * before memory is asked for. */
START_TEST(jpeg_of_more_pixels_than_bits)
{
    struct bytes b = flat_jpeg(2048, 0, FALSE);
    struct sim_image im;
    test_ok(sim_decode(b.at, b.count, "flat", &im));
    sim_image_close(&im);
    unsigned char *frame = b.at + find_marker(b, 0xc0);
    memcpy(frame + 5, "\x1f\x40\x1f\x40", 4);
    size_t scan = find_marker(b, 0xda);
    unsigned char end[2];
    memcpy(end, b.at + scan + 10, 2);
    memcpy(b.at + scan + 10, "\xff\xd9", 2);
    refuse(b.at, scan + 12, "8000 x 8000 pixels, which its");
    memcpy(frame + 5, "\xff\xdc\xff\xdc", 4);
    refuse(b.at, scan + 12, "cannot hold");
    free(b.at);
    b = flat_jpeg(2048, 0, TRUE); /* arithmetic coding says a flat image in less than a bit a block */
    ck_assert_uint_lt(b.count * 8, 2048 / 8 * (2048 / 8));
    test_ok(sim_decode(b.at, b.count, "arithmetic", &im));
    sim_image_close(&im);
    free(b.at);
}
END_TEST

/* ------------------------------------------------------------------ PNG */

static size_t put_chunk(unsigned char *to, const char *type, const void *data, uint32_t size)
{
    for (int i = 0; i < 4; i++) to[i] = (unsigned char)(size >> (24 - 8 * i));
    memcpy(to + 4, type, 4);
    if (size) memcpy(to + 8, data, size);
    uint32_t sum = (uint32_t)crc32(0, to + 4, size + 4);
    for (int i = 0; i < 4; i++) to[8 + size + (size_t)i] = (unsigned char)(sum >> (24 - 8 * i));
    return size + 12;
}

/* A grey PNG of width x height that holds `zeros` zero bytes of pixels, with an ancillary chunk before them.
 */
static struct bytes zero_png(uint32_t width, uint32_t height, size_t zeros, const char *extra,
                             const void *extra_data, uint32_t extra_bytes)
{
    unsigned char header[13] = {0}, *black = calloc(zeros ? zeros : 1, 1);
    uLongf packed_bytes = compressBound(zeros);
    unsigned char *packed = malloc(packed_bytes);
    ck_assert_int_eq(compress2(packed, &packed_bytes, black, zeros, 9), Z_OK);
    struct bytes b = {.at = malloc(packed_bytes + extra_bytes + 100)};
    for (int i = 0; i < 4; i++)
        header[i] = (unsigned char)(width >> (24 - 8 * i)),
        header[4 + i] = (unsigned char)(height >> (24 - 8 * i));
    header[8] = 8;
    memcpy(b.at, "\x89PNG\r\n\x1a\n", 8);
    b.count = 8;
    b.count += put_chunk(b.at + b.count, "IHDR", header, 13);
    if (extra) b.count += put_chunk(b.at + b.count, extra, extra_data, extra_bytes);
    b.count += put_chunk(b.at + b.count, "IDAT", packed, (uint32_t)packed_bytes);
    b.count += put_chunk(b.at + b.count, "IEND", NULL, 0);
    free(packed);
    free(black);
    return b;
}

START_TEST(png_of_more_pixels_than_bytes)
{
    struct sim_image im;
    struct bytes b = zero_png(9000, 9000, 0, NULL, NULL, 0);
    refuse(b.at, b.count, "9000 x 9000 pixels; at most 64 megapixels");
    free(b.at);
    b = zero_png(UINT32_MAX, UINT32_MAX, 0, NULL, NULL, 0);
    refuse(b.at, b.count, "set/bomb.jpg");
    free(b.at);
    b = zero_png(8000, 8000, 0, NULL, NULL, 0);
    refuse(b.at, b.count,
           "truncated"); /* by what deflate can make of so many bytes, before memory is asked for */
    free(b.at);
    b = zero_png(64, 64, (size_t)64 << 20, NULL, NULL, 0); /* a bomb behind the pixels is not unpacked */
    if (sim_decode(b.at, b.count, "more data than pixels", &im) == SIM_OK) sim_image_close(&im);
    free(b.at);
}
END_TEST

/* A compressed colour profile or text that would unpack to much is never unpacked: it does not concern
 * pixels. */
START_TEST(png_of_compressed_ancillary_data)
{
    static const size_t zeros = (size_t)64 << 20;
    uLongf packed_bytes = compressBound(zeros);
    unsigned char *packed = malloc(packed_bytes + 16), *black = calloc(zeros, 1);
    memcpy(packed, "profile\0\0", 9);
    ck_assert_int_eq(compress2(packed + 9, &packed_bytes, black, zeros, 9), Z_OK);
    struct sim_image im;
    struct bytes b = zero_png(4, 4, 20, "iCCP", packed, (uint32_t)packed_bytes + 9);
    test_ok(sim_decode(b.at, b.count, "profile", &im));
    sim_image_close(&im);
    free(b.at);
    b = zero_png(4, 4, 20, "zTXt", packed, (uint32_t)packed_bytes + 9);
    test_ok(sim_decode(b.at, b.count, "text", &im));
    sim_image_close(&im);
    free(b.at);
    free(packed);
    free(black);
}
END_TEST

/* ------------------------------------------------------------------ archives */

static void put_zeros(struct archive *a, int64_t bytes)
{
    static const uint8_t zeros[1 << 20];
    for (int64_t left = bytes; left > 0; left -= (int64_t)sizeof zeros) {
        size_t n = left < (int64_t)sizeof zeros ? (size_t)left : sizeof zeros;
        ck_assert_int_eq((long)archive_write_data(a, zeros, n), (long)n);
    }
}

/* A picture, and behind it 80 MiB of nothing, as an image or beside the images. */
START_TEST(archive_that_is_a_bomb)
{
    static const enum packing kinds[] = {GZIP, XZ, ZSTD};
    struct sim_images set;
    made_picture_open();
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char path[700];
        snprintf(path, sizeof path, "%s/bomb.%s", test_scratch(), made_endings[kinds[k]]);
        struct archive *a = made_archive_open(path, kinds[k]);
        made_member(a, "a/1.png", (int64_t)made_picture_bytes);
        archive_write_data(a, made_picture, made_picture_bytes);
        made_member(a, k == 0 ? "readme" : "a/2.png", (int64_t)80 << 20);
        put_zeros(a, (int64_t)80 << 20);
        made_archive_close(a);
        test_fails(sim_archive_open(&set, path), "decompression bomb");
        ck_assert_ptr_nonnull(strstr(sim_error_text(), path));
    }
}
END_TEST

START_TEST(archive_of_a_member_too_large)
{
    struct sim_images set;
    char path[700];
    snprintf(path, sizeof path, "%s/large.tar", test_scratch());
    struct archive *a = made_archive_open(path, PLAIN);
    made_member(a, "a/2.png", (int64_t)513 << 20);
    archive_write_free(a); /* the header alone; the rest is a hole, which takes no room on the disk */
    ck_assert_int_eq(truncate(path, ((int64_t)513 << 20) + 2048), 0);
    test_fails(sim_archive_open(&set, path), "'a/2.png' is larger than 512 MiB");
}
END_TEST

/* A sparse member claims a terabyte with a few bytes. */
START_TEST(archive_of_a_member_with_holes)
{
    struct sim_images set;
    char path[700];
    snprintf(path, sizeof path, "%s/sparse.tar", test_scratch());
    struct archive *a = archive_write_new();
    archive_write_set_format_pax(a);
    ck_assert_int_eq(archive_write_open_filename(a, path), ARCHIVE_OK);
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, "a/1.png");
    archive_entry_set_perm(e, 0644);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_size(e, (int64_t)1 << 40);
    archive_entry_sparse_add_entry(e, 0, 512);
    ck_assert_msg(archive_write_header(a, e) == ARCHIVE_OK, "%s", archive_error_string(a));
    put_zeros(a, 512);
    archive_entry_free(e);
    archive_write_close(a);
    archive_write_free(a);
    test_fails(sim_archive_open(&set, path), "'a/1.png' is stored with holes");
}
END_TEST

/* Each link is a header of half a kilobyte, and stands for a megabyte. */
START_TEST(archive_of_links_that_multiply)
{
    struct sim_images set;
    char path[700];
    snprintf(path, sizeof path, "%s/links.tar", test_scratch());
    struct archive *a = made_archive_open(path, PLAIN);
    made_member(a, "a/0.png", 1 << 20);
    put_zeros(a, 1 << 20);
    for (int i = 1; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "a/%d.png", i);
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, name);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_hardlink(e, "a/0.png");
        ck_assert_int_eq(archive_write_header(a, e), ARCHIVE_OK);
        archive_entry_free(e);
    }
    made_archive_close(a);
    test_fails(sim_archive_open(&set, path), "hard links would make more than");
}
END_TEST

/* What lies beside the images, devices and pipes included, is passed over however large it claims to be. */
START_TEST(archive_of_odd_members)
{
    struct sim_images set;
    char path[700];
    made_picture_open();
    snprintf(path, sizeof path, "%s/odd.tar", test_scratch());
    struct archive *a = made_archive_open(path, PLAIN);
    static const int types[] = {AE_IFCHR, AE_IFBLK, AE_IFIFO};
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "a/device%d.png", i);
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, name);
        archive_entry_set_filetype(e, (unsigned)types[i]);
        archive_entry_set_rdevmajor(e, 1);
        archive_entry_set_rdevminor(e, 5); /* /dev/zero */
        ck_assert_int_eq(archive_write_header(a, e), ARCHIVE_OK);
        archive_entry_free(e);
    }
    made_member(a, "a/notes", 8 << 20);
    put_zeros(a, 8 << 20);
    made_member(a, "a/1.png", (int64_t)made_picture_bytes);
    archive_write_data(a, made_picture, made_picture_bytes);
    made_archive_close(a);
    test_ok(sim_archive_open(&set, path));
    ck_assert_int_eq(set.count, 1);
    sim_images_close(&set);
}
END_TEST

/* ------------------------------------------------------------------ folders */

static void link_at(const char *folder, const char *name, const char *target)
{
    char path[800];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_int_eq(symlink(target, path), 0);
}

/* Links to single classes and images are followed, as torchvision follows them; links that lead nowhere, to
 * devices or pipes are left out. */
START_TEST(folder_of_links)
{
    char set[500], elsewhere[500], path[700];
    struct sim_images s;
    made_picture_open();
    snprintf(set, sizeof set, "%s", test_scratch());
    snprintf(elsewhere, sizeof elsewhere, "%s", test_scratch());
    made_put(elsewhere, "1.png", made_picture, made_picture_bytes);
    made_put(set, "a/own.png", made_picture, made_picture_bytes);
    link_at(set, "b", elsewhere);
    snprintf(path, sizeof path, "%s/1.png", elsewhere);
    link_at(set, "a/linked.png", path);
    link_at(set, "a/nowhere.png", "absent.png");
    link_at(set, "a/itself.png", "itself.png");
    link_at(set, "a/zero.png", "/dev/zero");
    snprintf(path, sizeof path, "%s/a/pipe.png", set);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    test_ok(sim_folder_open(&s, set));
    ck_assert_int_eq(s.count, 3);
    sim_images_close(&s);
}
END_TEST

START_TEST(folder_of_loops)
{
    char set[500], path[700];
    struct sim_images s;
    made_picture_open();
    snprintf(set, sizeof set, "%s", test_scratch());
    made_put(set, "a/1.png", made_picture, made_picture_bytes);
    for (int i = 0; i < 10; i++) { /* ten ways back, which would be 10^16 paths of the greatest depth */
        snprintf(path, sizeof path, "a/back%d", i);
        link_at(set, path, i % 2 ? ".." : ".");
    }
    test_fails(sim_folder_open(&s, set), "a loop of links");
    ck_assert_ptr_nonnull(strstr(sim_error_text(), "a/back"));
}
END_TEST

/* No loop, but two links to the next level at each of sixteen: 65536 folders out of seventeen. */
START_TEST(folder_of_links_that_multiply)
{
    char set[500], levels[500], name[32], target[600];
    struct sim_images s;
    made_picture_open();
    snprintf(set, sizeof set, "%s", test_scratch());
    snprintf(levels, sizeof levels, "%s", test_scratch());
    made_put(set, "a/1.png", made_picture, made_picture_bytes);
    for (int i = 0; i < 15; i++) {
        snprintf(name, sizeof name, "%d/", i);
        made_put(levels, name, NULL, 0);
        snprintf(target, sizeof target, "%s/%d", levels, i + 1);
        snprintf(name, sizeof name, "%d/x", i);
        link_at(levels, name, target);
        snprintf(name, sizeof name, "%d/y", i);
        link_at(levels, name, target);
    }
    made_put(levels, "15/1.png", made_picture, made_picture_bytes);
    snprintf(target, sizeof target, "%s/0", levels);
    link_at(set, "b", target);
    test_fails(sim_folder_open(&s, set), "links within links");
    snprintf(set, sizeof set, "%s",
             test_scratch()); /* a few such links are somebody's way of keeping a set */
    made_put(set, "c/", NULL, 0);
    made_put(set, "c/0.png", made_picture, made_picture_bytes);
    snprintf(target, sizeof target, "%s/14", levels);
    link_at(set, "c/more", target);
    test_ok(sim_folder_open(&s, set));
    ck_assert_int_eq(s.count, 3);
    sim_images_close(&s);
}
END_TEST

START_TEST(folder_too_deep)
{
    char set[500], name[200] = "";
    struct sim_images s;
    made_picture_open();
    snprintf(set, sizeof set, "%s", test_scratch());
    for (int i = 0; i < 17; i++) strcat(name, "d/");
    strcat(name, "1.png");
    made_put(set, name, made_picture, made_picture_bytes);
    test_fails(sim_folder_open(&s, set), "nested deeper than 16");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("limits");
    TCase *images = tcase_create("images"), *archives = tcase_create("archives"),
          *folders = tcase_create("folders");
    sim_progress_quiet(1);
    tcase_add_test(images, jpeg_of_too_many_scans);
    tcase_add_test(images, jpeg_of_more_pixels_than_bits);
    tcase_add_test(images, png_of_more_pixels_than_bytes);
    tcase_add_test(images, png_of_compressed_ancillary_data);
    tcase_add_test(archives, archive_that_is_a_bomb);
    tcase_add_test(archives, archive_of_a_member_too_large);
    tcase_add_test(archives, archive_of_a_member_with_holes);
    tcase_add_test(archives, archive_of_links_that_multiply);
    tcase_add_test(archives, archive_of_odd_members);
    tcase_add_test(folders, folder_of_links);
    tcase_add_test(folders, folder_of_loops);
    tcase_add_test(folders, folder_of_links_that_multiply);
    tcase_add_test(folders, folder_too_deep);
    TCase *const all[] = {images, archives, folders};
    for (int i = 0; i < 3; i++) {
        tcase_set_timeout(all[i], 120);
        suite_add_tcase(suite, all[i]);
    }
    return test_run(suite);
}
