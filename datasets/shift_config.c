#include "shift_config.h"

#include <stdlib.h>
#include <string.h>

static const char *const constants[] = {"auto", "224", "64", "32", NULL};

#define F(name, type, low, high, choices, preset, help)                                                      \
    {                                                                                                        \
#name, type, offsetof(struct sim_shift_config, name), low, high, choices, preset, help               \
    }
const struct sim_field sim_shift_fields[] = {
    F(c, SIM_FIELD_TEXT, 0, 0, NULL, "",
      "corrupted images, a folder CORRUPTION/SEVERITY/CLASS/IMAGE as ImageNet-C is; empty: made from "
      "data.val"),
    F(a, SIM_FIELD_TEXT, 0, 0, NULL, "",
      "ImageNet-A or the like, in the forms of data.val; empty: pw-cls has its own"),
    F(r, SIM_FIELD_TEXT, 0, 0, NULL, "", "ImageNet-R or the like; empty: pw-cls has its own"),
    F(sketch, SIM_FIELD_TEXT, 0, 0, NULL, "", "ImageNet-Sketch or the like; empty: pw-cls has its own"),
    F(corruptions, SIM_FIELD_TEXT, 0, 0, NULL, "all", "all, none, or names between commas, such as fog,snow"),
    F(severities, SIM_FIELD_TEXT, 0, 0, NULL, "1,2,3,4,5", "1 to 5, between commas; mCE needs all of both"),
    F(constants, SIM_FIELD_CHOICE, 0, 0, constants, "auto",
      "how strong: ImageNet-C's (224 px), Tiny-ImageNet-C's (64), CIFAR-10-C's (32); auto: by "
      "model.img_size"),
    F(jpeg_quality, SIM_FIELD_INT, -1, 100, NULL, "-1",
      "corrupted images pass through a JPEG file; 0: they do not; -1: 85, and with the constants for 32 px "
      "not"),
    F(seed, SIM_FIELD_INT, 0, 4294967295.0, NULL, "0", "of what corruptions draw: not the run's seed"),
    F(limit_val, SIM_FIELD_INT, 0, 1e9, NULL, "0",
      "corrupt so many validation images, balanced over classes; 0: all"),
    F(procedural_per_class, SIM_FIELD_INT, 1, 1e6, NULL, "20",
      "images of each class in pw-cls's A, R and Sketch"),
};
const int sim_shift_field_count = sizeof sim_shift_fields / sizeof *sim_shift_fields;

/* The next word between commas, spaces around it left out; NULL at the end. */
static const char *next_word(const char **at, int *length)
{
    const char *word = *at + strspn(*at, ", \t");
    *length = (int)strcspn(word, ", \t");
    *at = word + *length;
    return *length ? word : NULL;
}

static int is(const char *word, int length, const char *text)
{
    return (int)strlen(text) == length && memcmp(word, text, (size_t)length) == 0;
}

static sim_status list_corruptions(const char *text, int corruptions[SIM_CORRUPTIONS])
{
    const char *at = text, *word;
    int length, words = 0;
    while ((word = next_word(&at, &length))) {
        enum sim_corruption c;
        words++;
        if (is(word, length, "all") || is(word, length, "none")) {
            for (int i = 0; i < SIM_CORRUPTIONS; i++) corruptions[i] = *word == 'a';
            continue;
        }
        SIM_TRY(sim_corruption_find(word, length, "shift.corruptions", &c));
        corruptions[c] = 1;
    }
    return words ? SIM_OK
                 : sim_fail(SIM_EINVAL, "shift.corruptions: empty; it is all, none, or names of corruptions");
}

sim_status sim_shift_lists(const struct sim_shift_config *c, int corruptions[SIM_CORRUPTIONS],
                           int severities[SIM_SEVERITIES])
{
    const char *at = c->severities, *word;
    int length, words = 0;
    memset(corruptions, 0, SIM_CORRUPTIONS * sizeof *corruptions);
    memset(severities, 0, SIM_SEVERITIES * sizeof *severities);
    SIM_TRY(list_corruptions(c->corruptions, corruptions));
    for (; (word = next_word(&at, &length)); words++) {
        char *end;
        long severity = strtol(word, &end, 10);
        if (end != word + length)
            return sim_fail(SIM_EINVAL, "shift.severities: \"%.*s\" is no severity; they are 1 to %d", length,
                            word, SIM_SEVERITIES);
        SIM_TRY(sim_severity_check(severity, "shift.severities"));
        severities[severity - 1] = 1;
    }
    return words ? SIM_OK
                 : sim_fail(SIM_EINVAL, "shift.severities: empty; name some of 1 to %d", SIM_SEVERITIES);
}
