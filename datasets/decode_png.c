/* PNG to RGB with libspng for the compressed data, and Pillow 9.4's way with everything around them:
 *
 *   - checksums of the chunks before the image data count, those of the image data do not; what follows the
 * image data may be missing;
 *   - 16-bit greyscale is clipped at 255, not scaled (Pillow reads it as mode I and converts that); other
 * 16-bit samples lose their low byte; 1, 2 and 4-bit greyscale is scaled to 0..255;
 *   - a palette index beyond the palette is the grey of its number; alpha, transparent colours and gamma are
 * dropped.
 *
 * Damage to ancillary chunks' contents does not concern the pixels and passes.  In one case this is stricter
 * than Pillow: compressed data that end before the last row are an error also where their end falls between
 * two rows. */
#include "decode_parts.h"

#include <stdlib.h>
#include <string.h>

#include <spng.h>
#include <zlib.h>

enum { SIGNATURE_BYTES = 8, HEADER_BYTES = 13, PALETTE_BYTES = 768, CHUNK_FRAME_BYTES = 12 };

/* What a walk over the chunks finds. */
struct png {
    const char *name;
    const uint8_t *header; /* IHDR's 13 bytes */
    uint32_t width, height;
    int bits, colour, interlaced;
    uint8_t palette[PALETTE_BYTES];
    const uint8_t *first_data; /* the first IDAT chunk, at its length field */
    size_t data_bytes;         /* of all consecutive IDAT chunks together */
};

struct chunk {
    const uint8_t *type, *data;
    size_t bytes;     /* as claimed */
    size_t available; /* what is there of them */
};

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_big_endian(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* ---------------------------------------------------------------- the walk over the chunks */

/* The chunk at *at, which moves past it; 0 where no chunk starts: too few bytes, or a type that is no word.
 */
static int next_chunk(const uint8_t **at, const uint8_t *end, struct chunk *c)
{
    if (end - *at < 8) return 0;
    c->bytes = big_endian(*at);
    c->type = *at + 4;
    c->data = *at + 8;
    for (int i = 0; i < 4; i++) {
        uint8_t t = c->type[i];
        if (!((t >= '0' && t <= '9') || (t >= 'A' && t <= 'Z') || (t >= 'a' && t <= 'z') || t == '_'))
            return 0;
    }
    size_t left = (size_t)(end - c->data);
    c->available = c->bytes < left ? c->bytes : left;
    *at = left - c->available < 4 ? end : c->data + c->available + 4;
    return 1;
}

static int is_type(const struct chunk *c, const char *type)
{
    return memcmp(c->type, type, 4) == 0;
}

/* Of the type and the data, as PNG sums them. */
static uint32_t checksum(const uint8_t *type, size_t data_bytes)
{
    return (uint32_t)crc32_z(0, type, 4 + data_bytes);
}

static sim_status take_header(struct png *p, const struct chunk *c)
{
    if (c->bytes < HEADER_BYTES)
        return sim_fail(SIM_EFORMAT, "%s: the PNG header has %zu bytes, not 13", p->name, c->bytes);
    p->header = c->data;
    p->width = big_endian(c->data);
    p->height = big_endian(c->data + 4);
    p->bits = c->data[8];
    p->colour = c->data[9];
    p->interlaced = c->data[12] != 0;
    return SIM_OK;
}

static sim_status take_palette(struct png *p, const struct chunk *c)
{
    if (c->bytes > PALETTE_BYTES) {
        return sim_fail(SIM_EFORMAT, "%s: the PNG palette has %zu bytes, at most 768 make sense", p->name,
                        c->bytes);
    }
    memcpy(p->palette, c->data, c->bytes / 3 * 3);
    return SIM_OK;
}

/* Everything up to the image data: all of it must be there and bear its checksum. */
static sim_status walk_to_data(struct png *p, const uint8_t **at, const uint8_t *end)
{
    for (;;) {
        struct chunk c;
        const uint8_t *start = *at;
        if (!next_chunk(at, end, &c)) {
            return sim_fail(SIM_EFORMAT, "%s: the PNG is truncated or damaged before its image data",
                            p->name);
        }
        if (is_type(&c, "IDAT")) {
            *at = p->first_data = start;
            return p->header ? SIM_OK : sim_fail(SIM_EFORMAT, "%s: the PNG has no header", p->name);
        }
        if (is_type(&c, "IEND")) return sim_fail(SIM_EFORMAT, "%s: the PNG has no image data", p->name);
        if ((size_t)(end - c.data) < c.bytes + 4) {
            return sim_fail(SIM_EFORMAT, "%s: the PNG is truncated within its %.4s chunk", p->name,
                            (const char *)c.type);
        }
        if (checksum(c.type, c.bytes) != big_endian(c.data + c.bytes)) {
            return sim_fail(SIM_EFORMAT, "%s: the PNG's %.4s chunk does not have the checksum it claims",
                            p->name, (const char *)c.type);
        }
        if (is_type(&c, "IHDR")) SIM_TRY(take_header(p, &c));
        if (is_type(&c, "PLTE")) SIM_TRY(take_palette(p, &c));
    }
}

/* The image data and what follows them, of which only a chunk cut short is an error. */
static sim_status walk_data(struct png *p, const uint8_t *at, const uint8_t *end)
{
    struct chunk c;
    int in_data = 1;
    while (next_chunk(&at, end, &c) && !is_type(&c, "IEND")) {
        in_data = in_data && is_type(&c, "IDAT");
        if (in_data)
            p->data_bytes += c.available;
        else if (c.available < c.bytes) {
            return sim_fail(SIM_EFORMAT, "%s: the PNG is truncated within its %.4s chunk", p->name,
                            (const char *)c.type);
        }
    }
    return SIM_OK;
}

/* ---------------------------------------------------------------- pixels */

static int channels(const struct png *p)
{
    switch (p->colour) {
    case SPNG_COLOR_TYPE_TRUECOLOR:
        return 3;
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
        return 2;
    case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA:
        return 4;
    default:
        return 1;
    }
}

static size_t row_bytes(const struct png *p)
{
    return ((size_t)p->width * (size_t)(p->bits * channels(p)) + 7) / 8;
}

/* One row as the file has it (samples big-endian, small ones packed) to RGB. */
static void expand_row(const struct png *p, const uint8_t *row, uint8_t *rgb)
{
    const int sample_bytes = p->bits == 16 ? 2 : 1, step = channels(p) * sample_bytes;
    const int is_colour = channels(p) >= 3;
    for (size_t x = 0; x < p->width; x++, rgb += 3) {
        if (p->bits < 8) {
            int shift = 8 - p->bits - (int)(x * (size_t)p->bits % 8), most = (1 << p->bits) - 1;
            int v = row[x * (size_t)p->bits / 8] >> shift & most;
            if (p->colour == SPNG_COLOR_TYPE_INDEXED)
                memcpy(rgb, p->palette + 3 * v, 3);
            else
                memset(rgb, v * (255 / most), 3);
            continue;
        }
        const uint8_t *s = row + x * (size_t)step;
        if (p->colour == SPNG_COLOR_TYPE_INDEXED)
            memcpy(rgb, p->palette + 3 * s[0], 3);
        else if (is_colour)
            rgb[0] = s[0], rgb[1] = s[sample_bytes], rgb[2] = s[2 * sample_bytes];
        else if (p->bits == 16 && p->colour == SPNG_COLOR_TYPE_GRAYSCALE)
            memset(rgb, s[0] ? 255 : s[1], 3);
        else
            memset(rgb, s[0], 3);
    }
}

/* Starts a chunk; returns where its data go. */
static uint8_t *chunk_start(uint8_t *to, const char *type, size_t bytes)
{
    put_big_endian(to, (uint32_t)bytes);
    memcpy(to + 4, type, 4);
    return to + 8;
}

/* Puts the checksum behind data that were written; returns where the next chunk starts. */
static uint8_t *chunk_end(uint8_t *data, size_t bytes)
{
    put_big_endian(data + bytes, checksum(data - 4, bytes));
    return data + bytes + 4;
}

/* A PNG of nothing but the header, a palette where one must be (of zeros: indices are looked up here), and
 * all image data in one chunk, with true checksums: what the library sees.  The caller frees. */
static uint8_t *strip(const struct png *p, const uint8_t *end, size_t *count)
{
    const size_t palette_bytes = p->colour == SPNG_COLOR_TYPE_INDEXED ? (size_t)3 << (p->bits & 15) : 0;
    *count = SIGNATURE_BYTES + 4 * CHUNK_FRAME_BYTES + HEADER_BYTES + palette_bytes + p->data_bytes;
    uint8_t *copy = calloc(*count, 1), *to;
    if (!copy) return NULL;
    memcpy(copy, "\x89PNG\r\n\x1a\n", SIGNATURE_BYTES);
    to = chunk_start(copy + SIGNATURE_BYTES, "IHDR", HEADER_BYTES);
    memcpy(to, p->header, HEADER_BYTES);
    to = chunk_end(to, HEADER_BYTES);
    if (palette_bytes) to = chunk_end(chunk_start(to, "PLTE", palette_bytes), palette_bytes);
    uint8_t *data = to = chunk_start(to, "IDAT", p->data_bytes);
    const uint8_t *at = p->first_data;
    for (struct chunk c; next_chunk(&at, end, &c) && is_type(&c, "IDAT"); to += c.available) {
        memcpy(to, c.data, c.available);
    }
    to = chunk_end(data, p->data_bytes);
    to = chunk_end(chunk_start(to, "IEND", 0), 0);
    *count = (size_t)(to - copy);
    return copy;
}

static sim_status spoilt(const struct png *p, int error)
{
    if (error == SPNG_EMEM) return sim_fail(SIM_ENOMEM, "%s: no memory to decode a PNG", p->name);
    if (error == SPNG_EIDAT_TOO_SHORT || error == SPNG_EOF) {
        return sim_fail(SIM_EFORMAT, "%s: the PNG is truncated: its image data end too early", p->name);
    }
    return sim_fail(SIM_EFORMAT, "%s: damaged PNG data: %s", p->name, spng_strerror(error));
}

/* Interlaced files need the whole image before the first row is complete; others go row by row. */
static sim_status decode_rows(const struct png *p, spng_ctx *ctx, struct sim_image *out)
{
    const size_t stride = row_bytes(p), raw_bytes = p->interlaced ? stride * p->height : stride;
    uint8_t *raw =
        calloc(raw_bytes, 1); /* zeroed: the library ors interlaced pixels below 8 bits into their bytes */
    if (!raw) return sim_fail(SIM_ENOMEM, "%s: no memory for %zu bytes of pixels", p->name, raw_bytes);
    int error = p->interlaced ? spng_decode_image(ctx, raw, raw_bytes, SPNG_FMT_RAW, 0)
                              : spng_decode_image(ctx, NULL, 0, SPNG_FMT_RAW, SPNG_DECODE_PROGRESSIVE);
    for (uint32_t y = 0; y < p->height && !error; y++) {
        uint8_t *row = p->interlaced ? raw + y * stride : raw;
        if (!p->interlaced) error = spng_decode_row(ctx, row, stride);
        if (error == SPNG_EOI && y + 1 == p->height) error = 0; /* "end of image" comes with the last row */
        if (!error) expand_row(p, row, out->rgb + (size_t)y * p->width * 3);
    }
    free(raw);
    return error ? spoilt(p, error) : SIM_OK;
}

static sim_status decode_data(const struct png *p, const uint8_t *stream, size_t count, struct sim_image *out)
{
    spng_ctx *ctx = spng_ctx_new(0);
    if (!ctx) return spoilt(p, SPNG_EMEM);
    struct spng_ihdr header;
    int error = spng_set_png_buffer(ctx, stream, count);
    if (!error) error = spng_get_ihdr(ctx, &header);
    sim_status s = error ? spoilt(p, error) : sim_decode_open(out, p->width, p->height, p->name);
    /* deflate cannot expand by more than 1032: a small file that claims a huge image is found out before it
     * costs */
    if (s == SIM_OK && row_bytes(p) * p->height / 1032 > p->data_bytes) s = spoilt(p, SPNG_EIDAT_TOO_SHORT);
    if (s == SIM_OK) s = decode_rows(p, ctx, out);
    spng_ctx_free(ctx);
    return s;
}

sim_status sim_decode_png(const uint8_t *bytes, size_t count, const char *name, struct sim_image *out)
{
    struct png p = {.name = name};
    for (int v = 0; v < PALETTE_BYTES; v++) p.palette[v] = (uint8_t)(v / 3);
    const uint8_t *at = bytes + SIGNATURE_BYTES, *end = bytes + count;
    SIM_TRY(walk_to_data(&p, &at, end));
    SIM_TRY(walk_data(&p, at, end));
    if (p.data_bytes > INT32_MAX) return sim_fail(SIM_EFORMAT, "%s: more than 2 GiB of PNG image data", name);
    size_t stream_bytes;
    uint8_t *stream = strip(&p, end, &stream_bytes);
    if (!stream) return spoilt(&p, SPNG_EMEM);
    sim_status s = decode_data(&p, stream, stream_bytes, out);
    free(stream);
    return s;
}
