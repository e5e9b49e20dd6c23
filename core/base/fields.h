/* One field table describes the configuration (DESIGN.md, decision 6).  Every room exports the table of its
 * own struct; the driver strings them together under prefixes ("model", "train", ...).  YAML files, --set
 * a.b=c,
 * --help, the resolved dump and the hash all go through it. */
#ifndef SIM_FIELDS_H
#define SIM_FIELDS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "status.h"

enum sim_field_type {
    SIM_FIELD_INT,    /* int64_t */
    SIM_FIELD_REAL,   /* double */
    SIM_FIELD_BOOL,   /* int; true | false */
    SIM_FIELD_CHOICE, /* int: index into choices */
    SIM_FIELD_TEXT    /* char[SIM_TEXT_BYTES], NUL-terminated */
};

#define SIM_TEXT_BYTES 512

struct sim_field {
    const char *key; /* without the section's prefix, e.g. "embed_dim" */
    enum sim_field_type type;
    size_t offset;              /* into the section's struct */
    double low, high;           /* closed bounds of INT and REAL; both 0: unbounded */
    const char *const *choices; /* NULL-terminated names of a CHOICE */
    const char *preset;         /* the default, as it would be typed; parsed by the same code */
    const char *help;           /* one line */
};

struct sim_section {
    const char *prefix; /* "model", without dots; "" puts the keys at the top level.  Sections of one prefix
                         * stand together in the schema. */
    const struct sim_field *fields;
    int count;
    size_t offset; /* of the section's struct inside the configuration struct */
    const char *help;
};

struct sim_schema {
    const struct sim_section *sections;
    int count;
    size_t size_bytes; /* of the whole configuration struct */
};

/* Fills `config` with every preset; all other bytes are zeroed. */
sim_status sim_fields_preset(const struct sim_schema *s, void *config);

/* The field of a full key ("model.embed_dim"), or NULL. */
const struct sim_field *sim_fields_find(const struct sim_schema *s, const char *key);
/* Whether some section has this (not empty) prefix. */
int sim_fields_is_section(const struct sim_schema *s, const char *key);
/* Fails with SIM_EINVAL: `key` is unknown, and this is the nearest known key or section. */
sim_status sim_fields_unknown(const struct sim_schema *s, const char *key, const char *where);

/* Sets one key ("model.embed_dim") from text.  Numbers are decimal; real numbers are finite and normal.
 * `where` stands at the head of any error ("file.yaml:12:5", "--set").  Unknown keys name the nearest known
 * one; bounds, types and choices are checked.  On failure `config` is as it was. */
sim_status sim_fields_set(const struct sim_schema *s, void *config, const char *key, const char *text,
                          const char *where);

/* "a.b=c" as given on a command line. */
sim_status sim_fields_set_pair(const struct sim_schema *s, void *config, const char *pair);

/* Writes a real number as its shortest text that reads back the same: "0.1", "1e-05", "64". */
void sim_fields_format_real(double value, char out[32]);

/* The resolved configuration: every key with its value as YAML (comments = the help lines when asked for),
 * and as a compact JSON object nested by prefix, keys in table order.  The caller frees *out. */
sim_status sim_fields_dump_yaml(const struct sim_schema *s, const void *config, int with_help, char **out);
sim_status sim_fields_dump_json(const struct sim_schema *s, const void *config, char **out);

/* XXH64 of the canonical JSON, as 16 hex digits: the run's identity. */
sim_status sim_fields_hash(const struct sim_schema *s, const void *config, char out[17]);

/* Help: one line per key: type, bounds or choices, default, meaning. */
void sim_fields_print_help(const struct sim_schema *s, FILE *to);

#endif
