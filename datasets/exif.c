#include "exif.h"

#include <string.h>

enum { UPRIGHT = 1, ORIENTATION_TAG = 0x0112, SHORT = 3, LONG = 4, ENTRY_BYTES = 12 };

/* ------------------------------------------------------------------ the TIFF block */

struct tiff {
    const uint8_t *at;
    size_t count;
    int big_endian;
};

static uint32_t number(const struct tiff *t, size_t offset, int bytes)
{
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++) v = v << 8 | t->at[offset + (size_t)(t->big_endian ? i : bytes - 1 - i)];
    return v;
}

/* The orientation in the first directory.  Of several entries the last counts, as in Pillow. */
static int of_tiff(const uint8_t *bytes, size_t count)
{
    struct tiff t = {bytes, count, 0};
    if (count < 8 || (memcmp(bytes, "II\x2a\0", 4) != 0 && memcmp(bytes, "MM\0\x2a", 4) != 0)) return UPRIGHT;
    t.big_endian = bytes[0] == 'M';
    size_t at = number(&t, 4, 4);
    if (at > count - 2) return UPRIGHT;
    uint32_t entries = number(&t, at, 2);
    int orientation = UPRIGHT;
    for (at += 2; entries > 0 && count - at >= ENTRY_BYTES; entries--, at += ENTRY_BYTES) {
        uint32_t type = number(&t, at + 2, 2);
        if (number(&t, at, 2) != ORIENTATION_TAG || (type != SHORT && type != LONG) ||
            number(&t, at + 4, 4) != 1)
            continue;
        uint32_t v = number(&t, at + 8, type == SHORT ? 2 : 4);
        orientation = v >= 1 && v <= 8 ? (int)v : UPRIGHT;
    }
    return orientation;
}

/* ------------------------------------------------------------------ where it stands in a file */

static int of_jpeg(const uint8_t *bytes, size_t count)
{
    static const uint8_t name[6] = "Exif\0";
    for (size_t at = 2; at + 4 <= count && bytes[at] == 0xff;) {
        uint8_t marker = bytes[at + 1];
        size_t size = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (marker == 0xff) { /* padding */
            at++;
            continue;
        }
        if (marker == 0xda || size < 2 || size > count - at - 2) break;
        if (marker == 0xe1 && size >= 2 + sizeof name && memcmp(bytes + at + 4, name, sizeof name) == 0)
            return of_tiff(bytes + at + 4 + sizeof name, size - 2 - sizeof name);
        at += 2 + size;
    }
    return UPRIGHT;
}

static int of_png(const uint8_t *bytes, size_t count)
{
    for (size_t at = 8; count - at >= 12;) {
        size_t size = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 |
                      bytes[at + 3];
        if (size > count - at - 12) break;
        if (memcmp(bytes + at + 4, "eXIf", 4) == 0) return of_tiff(bytes + at + 8, size);
        at += 12 + size;
    }
    return UPRIGHT;
}

int sim_exif_orientation(const uint8_t *bytes, size_t count)
{
    if (count >= 4 && memcmp(bytes, "\xff\xd8", 2) == 0) return of_jpeg(bytes, count);
    if (count >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0) return of_png(bytes, count);
    return UPRIGHT;
}

/* ------------------------------------------------------------------ turning */

sim_status sim_exif_turn(struct sim_image *im, int orientation)
{
    /* Where the pixel right of, and the one below, a pixel of the upright image lie in the file's. */
    static const struct {
        int corner_x, corner_y; /* 1: the upright image begins at the right, at the bottom */
        int right_x, right_y;   /* a step to the right of the upright image */
        int down_x, down_y;
    } turns[9] = {{0},
                  {0, 0, 1, 0, 0, 1},
                  {1, 0, -1, 0, 0, 1},
                  {1, 1, -1, 0, 0, -1},
                  {0, 1, 1, 0, 0, -1},
                  {0, 0, 0, 1, 1, 0},
                  {0, 1, 0, -1, 1, 0},
                  {1, 1, 0, -1, -1, 0},
                  {1, 0, 0, 1, -1, 0}};
    if (orientation <= UPRIGHT || orientation > 8) return SIM_OK;
    struct sim_image turned = {0};
    const ptrdiff_t w = im->width, h = im->height;
    const int swap = orientation >= 5;
    sim_status status = sim_image_reopen(&turned, (int)(swap ? h : w), (int)(swap ? w : h));
    const uint8_t *corner = im->rgb + 3 * ((turns[orientation].corner_y ? h - 1 : 0) * w +
                                           (turns[orientation].corner_x ? w - 1 : 0));
    const ptrdiff_t right = 3 * (turns[orientation].right_y * w + turns[orientation].right_x),
                    down = 3 * (turns[orientation].down_y * w + turns[orientation].down_x);
    uint8_t *to = turned.rgb;
    for (ptrdiff_t y = 0; status == SIM_OK && y < turned.height; y++)
        for (ptrdiff_t x = 0; x < turned.width; x++, to += 3) memcpy(to, corner + y * down + x * right, 3);
    sim_image_close(im);
    if (status == SIM_OK) *im = turned;
    return status;
}
