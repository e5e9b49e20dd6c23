/* JPEG to RGB with libjpeg-turbo, set up as Pillow sets it up: integer DCT, fancy upsampling, the library's
 * own guess of the file's colours; greyscale and YCbCr to RGB by the library, four components as inverted
 * CMYK (Adobe's convention, which Pillow assumes of every file) and then Pillow's CMYK to RGB.  EXIF
 * orientation and colour profiles are ignored.
 *
 * As in Pillow the data are read through a source that suspends where they end, so that a file cut short is
 * an error and not a grey lower half; what libjpeg only warns of (damage inside the data) is accepted; a
 * missing end marker too. */
#include "decode_parts.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

/* A progressive file may hold any number of scans, each of which costs a pass over the image, and a pass may
 * take a few bytes.  Encoders write about ten; this bounds the time that a hostile file can take. */
enum { SCANS_MAX = 100 };

struct decoder {
    struct jpeg_decompress_struct jpeg; /* first: the library hands back a pointer to it */
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf fail;
    const char *name;
    struct sim_image image; /* the caller's */
    uint8_t *cmyk;          /* one row of four components, where the file has four */
    sim_status status;
};

/* ---------------------------------------------------------------- what the library calls */

static void on_error(j_common_ptr common)
{
    struct decoder *d = (struct decoder *)common;
    char text[JMSG_LENGTH_MAX];
    common->err->format_message(common, text);
    d->status = sim_fail(SIM_EFORMAT, "%s: damaged JPEG data: %s", d->name, text);
    longjmp(d->fail, 1);
}

static void on_warning_text(j_common_ptr common)
{
    (void)common;
}

static void on_progress(j_common_ptr common)
{
    struct decoder *d = (struct decoder *)common;
    if (d->jpeg.input_scan_number <= SCANS_MAX) return;
    d->status = sim_fail(SIM_EFORMAT, "%s: the JPEG holds more than %d scans", d->name, SCANS_MAX);
    longjmp(d->fail, 1);
}

static void source_nothing(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

static boolean source_suspend(j_decompress_ptr jpeg)
{
    (void)jpeg;
    return FALSE;
}

static void source_skip(j_decompress_ptr jpeg, long count)
{
    struct jpeg_source_mgr *s = jpeg->src;
    if (count <= 0) return;
    size_t step = (size_t)count < s->bytes_in_buffer ? (size_t)count : s->bytes_in_buffer;
    s->next_input_byte += step;
    s->bytes_in_buffer -= step;
}

/* ---------------------------------------------------------------- rows */

/* Pillow's integer a * b / 255, rounded. */
static inline int share(int a, int b)
{
    int t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

static void cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, size_t n)
{
    for (size_t i = 0; i < n; i++, cmyk += 4, rgb += 3) {
        int white = cmyk[3]; /* stored inverted, as the three colours are */
        for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)(white - share(255 - cmyk[c], white));
    }
}

static sim_status cut_short(struct decoder *d, const char *where)
{
    return sim_fail(SIM_EFORMAT, "%s: the JPEG is truncated: its data end %s", d->name, where);
}

static sim_status read_rows(struct decoder *d)
{
    struct jpeg_decompress_struct *j = &d->jpeg;
    const size_t width = (size_t)d->image.width;
    while (j->output_scanline < j->output_height) {
        uint8_t *to = d->image.rgb + (size_t)j->output_scanline * width * 3;
        JSAMPROW rows[8];
        JDIMENSION wanted = 0;
        if (d->cmyk) {
            rows[wanted++] = d->cmyk;
        } else {
            for (; wanted < 8 && j->output_scanline + wanted < j->output_height; wanted++) {
                rows[wanted] = to + wanted * width * 3;
            }
        }
        if (jpeg_read_scanlines(j, rows, wanted) == 0) {
            char where[64];
            snprintf(where, sizeof where, "at row %u of %u", j->output_scanline, j->output_height);
            return cut_short(d, where);
        }
        if (d->cmyk) cmyk_to_rgb(d->cmyk, to, width);
    }
    return SIM_OK;
}

/* Every block of Huffman-coded data takes a bit at the very least, so that a small file cannot stand for a
 * large image.  Pillow would fill what such a file lacks with grey. */
static sim_status check_room(const struct decoder *d, size_t count)
{
    const struct jpeg_decompress_struct *j = &d->jpeg;
    uint64_t blocks = 0;
    for (int c = 0; c < j->num_components; c++) {
        uint64_t here = (uint64_t)j->comp_info[c].width_in_blocks * j->comp_info[c].height_in_blocks;
        if (here > blocks) blocks = here;
    }
    if (j->arith_code || blocks / 8 <= count) return SIM_OK;
    return sim_fail(SIM_EFORMAT, "%s: the JPEG claims %u x %u pixels, which its %zu bytes cannot hold",
                    d->name, j->image_width, j->image_height, count);
}

/* Everything that may jump to d->fail. */
static sim_status decode(struct decoder *d, const uint8_t *bytes, size_t count)
{
    struct jpeg_decompress_struct *j = &d->jpeg;
    jpeg_create_decompress(j);
    j->src = &d->source;
    j->progress = &d->progress;
    d->source.next_input_byte = bytes;
    d->source.bytes_in_buffer = count;
    int header = jpeg_read_header(j, TRUE);
    if (header == JPEG_SUSPENDED) return cut_short(d, "within the header");
    if (j->num_components != 1 && j->num_components != 3 && j->num_components != 4) {
        return sim_fail(SIM_EFORMAT, "%s: a JPEG of %d components; 1, 3 and 4 are known", d->name,
                        j->num_components);
    }
    SIM_TRY(check_room(d, count));
    SIM_TRY(sim_decode_open(&d->image, j->image_width, j->image_height, d->name));
    j->out_color_space = j->num_components == 4 ? JCS_CMYK : JCS_RGB;
    if (j->num_components == 4) {
        d->cmyk = malloc((size_t)j->image_width * 4);
        if (!d->cmyk) return sim_fail(SIM_ENOMEM, "%s: no memory for a row of pixels", d->name);
    }
    if (!jpeg_start_decompress(j)) return cut_short(d, "before the last scan");
    SIM_TRY(read_rows(d));
    jpeg_finish_decompress(
        j); /* its complaint about a missing end marker is of no concern once all rows are there */
    return SIM_OK;
}

sim_status sim_decode_jpeg(const uint8_t *bytes, size_t count, const char *name, struct sim_image *out)
{
    struct decoder *d = calloc(1, sizeof *d);
    if (!d) return sim_fail(SIM_ENOMEM, "%s: no memory for a JPEG decoder", name);
    d->name = name, d->image = *out;
    d->jpeg.err = jpeg_std_error(&d->errors);
    d->errors.error_exit = on_error;
    d->errors.output_message = on_warning_text;
    d->progress.progress_monitor = on_progress;
    d->source.init_source = source_nothing;
    d->source.fill_input_buffer = source_suspend;
    d->source.skip_input_data = source_skip;
    d->source.resync_to_restart = jpeg_resync_to_restart;
    d->source.term_source = source_nothing;
    if (setjmp(d->fail) == 0) d->status = decode(d, bytes, count);
    sim_status status = d->status;
    *out = d->image;
    jpeg_destroy_decompress(&d->jpeg);
    free(d->cmyk);
    free(d);
    return status;
}
