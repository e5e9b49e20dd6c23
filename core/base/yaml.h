/* YAML as a tree that remembers where everything stood (libyaml underneath).  Duplicate keys, anchors cycles,
 * tabs, several documents and depth beyond 64 are errors with file, line and column. */
#ifndef SIM_YAML_H
#define SIM_YAML_H

#include "fields.h"
#include "status.h"

enum sim_yaml_kind { SIM_YAML_SCALAR, SIM_YAML_MAP, SIM_YAML_LIST };

struct sim_yaml {
    enum sim_yaml_kind kind;
    const char *key;  /* inside a map: the key, else NULL */
    const char *text; /* of a scalar */
    int line, column; /* 1-based, of the value; key_line/key_column of the key */
    int key_line, key_column;
    struct sim_yaml *child, *next; /* first child; next sibling */
};

struct sim_yaml_file; /* owns the tree and the path */

sim_status sim_yaml_open(struct sim_yaml_file **out, const char *path);
void sim_yaml_close(struct sim_yaml_file *f); /* NULL is legal */
const struct sim_yaml *sim_yaml_root(const struct sim_yaml_file *f);
const char *sim_yaml_path(const struct sim_yaml_file *f);
const struct sim_yaml *sim_yaml_find(const struct sim_yaml *map, const char *key); /* NULL if absent */

/* "file.yaml:12:5" of a node's value (or of its key), for error sentences; `out` has size bytes. */
void sim_yaml_where(const struct sim_yaml_file *f, const struct sim_yaml *node, char *out, int size);

/* Applies a nested map to the configuration by way of sim_fields_set: {model: {embed_dim: 96}} sets
 * "model.embed_dim".  Errors carry file, line, column and the nearest known key. */
sim_status sim_yaml_apply(const struct sim_yaml_file *f, const struct sim_yaml *map, const struct sim_schema *s,
                          void *config);

#endif
