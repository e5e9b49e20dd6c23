#include "pillow_pixels.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "support.h"

void pillow_compare(const char *name, const struct pillow_pixels *expected, sim_status s,
                    struct sim_image *im)
{
    char hash[24];
    if (strcmp(expected->hash, "error") == 0) {
        ck_assert_msg(s == SIM_EFORMAT, "%s: Pillow refuses it, we do not (status %d)", name, s);
        ck_assert_msg(strstr(sim_error_text(), name) != NULL, "\"%s\" does not name %s", sim_error_text(),
                      name);
        ck_assert_ptr_null(im->rgb);
        return;
    }
    ck_assert_msg(s == SIM_OK, "%s: Pillow decodes it, we do not: %s", name, sim_error_text());
    ck_assert_msg(im->width == expected->width && im->height == expected->height,
                  "%s: %d x %d, Pillow makes %d x %d", name, im->width, im->height, expected->width,
                  expected->height);
    snprintf(hash, sizeof hash, "%016" PRIx64, XXH64(im->rgb, (size_t)im->width * (size_t)im->height * 3, 0));
    ck_assert_msg(strcmp(hash, expected->hash) == 0, "%s: pixels differ from Pillow's (hash %s, not %s)",
                  name, hash, expected->hash);
    sim_image_close(im);
}
