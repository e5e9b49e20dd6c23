/* YAML as a tree that remembers where everything stood (libyaml underneath).  Duplicate keys, tabs as
 * indentation, anchors, aliases, tags, several documents, bytes that are not UTF-8 and depth beyond 64 are
 * errors with file, line and column. */
#ifndef SIM_YAML_H
#define SIM_YAML_H

#include "fields.h"
#include "status.h"

enum sim_yaml_kind { SIM_YAML_SCALAR, SIM_YAML_MAP, SIM_YAML_LIST };

struct sim_yaml {
    enum sim_yaml_kind kind;
    const char *key;  /* inside a map: the key, else NULL */
    const char *text; /* of a scalar; "" for nothing, ~ and null where they are not quoted */
    int line, column; /* 1-based, in characters, of the value; key_line/key_column of the key */
    int key_line, key_column;
    struct sim_yaml *child, *next; /* first child; next sibling */
};

struct sim_yaml_file; /* owns the tree and the path */

/* Reads a file of at most 1 MiB.  An empty one is an empty map. */
sim_status sim_yaml_open(struct sim_yaml_file **out, const char *path);
/* The same from memory; `path` only stands in error sentences. */
sim_status sim_yaml_parse(struct sim_yaml_file **out, const char *text, size_t size_bytes, const char *path);
void sim_yaml_close(struct sim_yaml_file *f); /* NULL is legal */
const struct sim_yaml *sim_yaml_root(const struct sim_yaml_file *f);
const char *sim_yaml_path(const struct sim_yaml_file *f);
/* NULL if absent, or if `map` is no map. */
const struct sim_yaml *sim_yaml_find(const struct sim_yaml *map, const char *key);

/* "file.yaml:12:5" of a node's value, or of its key, for error sentences; `out` has size bytes.  A path that
 * is too long loses its head. */
void sim_yaml_where(const struct sim_yaml_file *f, const struct sim_yaml *node, char *out, int size);
void sim_yaml_where_key(const struct sim_yaml_file *f, const struct sim_yaml *node, char *out, int size);

/* Applies a nested map to the configuration by way of sim_fields_set: {model: {embed_dim: 96}} sets
 * "model.embed_dim".  A section without anything below it changes nothing.  Errors carry file, line, column
 * and the nearest known key. */
sim_status sim_yaml_apply(const struct sim_yaml_file *f, const struct sim_yaml *map,
                          const struct sim_schema *s, void *config);

#endif
