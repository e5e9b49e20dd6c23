#include "yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "file.h"

#define MAX_FILE_BYTES (1u << 20)
#define MAX_DEPTH 64
#define WHERE_BYTES 512

struct sim_yaml_file {
    char *path;
    struct sim_yaml *root;
};

/* What a parse in progress needs. */
struct builder {
    yaml_parser_t parser;
    const char *path, *input;
    size_t input_bytes;
};

/* ------------------------------------------------------------------ errors */

static void write_where(const char *path, int line, int column, char *out, int size)
{
    int room = size - 24, length = (int)strlen(path), skip = room > 0 && length > room ? length - room : 0;
    snprintf(out, (size_t)size, "%s:%d:%d", path + skip, line, column);
}

static sim_status fail_at(const struct builder *b, yaml_mark_t mark, const char *sentence)
{
    char where[WHERE_BYTES];
    write_where(b->path, (int)mark.line + 1, (int)mark.column + 1, where, sizeof where);
    return sim_fail(SIM_EFORMAT, "%s: %s", where, sentence);
}

/* Line and column of a byte, both counted from 0 as libyaml does. */
static yaml_mark_t mark_of_byte(const struct builder *b, size_t offset)
{
    yaml_mark_t m = {.index = offset};
    for (size_t i = 0; i < offset && i < b->input_bytes; i++) {
        if (b->input[i] == '\n')
            m.line++, m.column = 0;
        else if ((b->input[i] & 0xC0) != 0x80)
            m.column++;
    }
    return m;
}

/* Whether white space up to this place holds a tab: the likely reason why nothing can stand there. */
static int tab_before(const struct builder *b, yaml_mark_t mark)
{
    size_t line = 0, i = 0;
    while (i < b->input_bytes && line < mark.line) line += b->input[i++] == '\n';
    for (; i < b->input_bytes && (b->input[i] == ' ' || b->input[i] == '\t'); i++)
        if (b->input[i] == '\t') return 1;
    return 0;
}

static sim_status parser_error(const struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    char sentence[300];
    if (p->error == YAML_MEMORY_ERROR) return sim_fail(SIM_ENOMEM, "%s: no memory to read it", b->path);
    if (p->error == YAML_READER_ERROR) {
        snprintf(sentence, sizeof sentence, "not UTF-8 text: %s", p->problem ? p->problem : "unreadable");
        return fail_at(b, mark_of_byte(b, p->problem_offset), sentence);
    }
    if (p->error == YAML_SCANNER_ERROR && tab_before(b, p->problem_mark))
        return fail_at(b, p->problem_mark, "indent with spaces: YAML does not allow tabs here");
    snprintf(sentence, sizeof sentence, "not valid YAML: %s%s%s", p->problem ? p->problem : "unreadable",
             p->context ? ", " : "", p->context ? p->context : "");
    return fail_at(b, p->problem_mark, sentence);
}

/* ------------------------------------------------------------------ building the tree */

static void free_nodes(struct sim_yaml *node)
{
    while (node) {
        struct sim_yaml *next = node->next;
        free_nodes(node->child);
        free((char *)node->key);
        free((char *)node->text);
        free(node);
        node = next;
    }
}

static sim_status next_event(struct builder *b, yaml_event_t *e)
{
    return yaml_parser_parse(&b->parser, e) ? SIM_OK : parser_error(b);
}

/* Anchors would let a few lines grow into gigabytes, and tags would change what a value is. */
static sim_status check_plain(const struct builder *b, const yaml_event_t *e)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (e->type == YAML_ALIAS_EVENT) anchor = e->data.alias.anchor;
    if (e->type == YAML_SCALAR_EVENT) anchor = e->data.scalar.anchor, tag = e->data.scalar.tag;
    if (e->type == YAML_SEQUENCE_START_EVENT)
        anchor = e->data.sequence_start.anchor, tag = e->data.sequence_start.tag;
    if (e->type == YAML_MAPPING_START_EVENT)
        anchor = e->data.mapping_start.anchor, tag = e->data.mapping_start.tag;
    if (anchor)
        return fail_at(b, e->start_mark,
                       "anchors and aliases (& and *) are not supported: write the value out");
    if (tag)
        return fail_at(b, e->start_mark, "tags (!) are not supported: quote the text if it begins with !");
    return SIM_OK;
}

/* The text of a scalar event, owned by the caller. */
static sim_status take_text(const struct builder *b, const yaml_event_t *e, char **out)
{
    const char *value = (const char *)e->data.scalar.value;
    size_t length = e->data.scalar.length;
    if (memchr(value, 0, length)) return fail_at(b, e->start_mark, "a zero byte stands in this text");
    int plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    int null = plain && (strcmp(value, "~") == 0 || strcmp(value, "null") == 0 ||
                         strcmp(value, "Null") == 0 || strcmp(value, "NULL") == 0);
    *out = strdup(null ? "" : value);
    return *out ? SIM_OK : sim_fail(SIM_ENOMEM, "%s: no memory to read it", b->path);
}

static sim_status build_node(struct builder *b, const yaml_event_t *e, int depth, struct sim_yaml **out);

/* One key of a map; the event that begins it has been taken. */
static sim_status build_pair(struct builder *b, const yaml_event_t *key_event, int depth,
                             struct sim_yaml **out)
{
    char *key;
    SIM_TRY(check_plain(b, key_event));
    if (key_event->type != YAML_SCALAR_EVENT)
        return fail_at(b, key_event->start_mark, "a key is one word, not a list or map");
    SIM_TRY(take_text(b, key_event, &key));
    yaml_event_t e;
    sim_status status = next_event(b, &e);
    if (status == SIM_OK) {
        status = build_node(b, &e, depth, out);
        yaml_event_delete(&e);
    }
    if (!*out) {
        free(key);
        return status;
    }
    (*out)->key = key;
    (*out)->key_line = (int)key_event->start_mark.line + 1;
    (*out)->key_column = (int)key_event->start_mark.column + 1;
    return status;
}

static int by_key_and_place(const void *a, const void *b)
{
    const struct sim_yaml *x = *(const struct sim_yaml *const *)a, *y = *(const struct sim_yaml *const *)b;
    int c = strcmp(x->key, y->key);
    if (c) return c;
    if (x->key_line != y->key_line) return x->key_line < y->key_line ? -1 : 1;
    return (x->key_column > y->key_column) - (x->key_column < y->key_column);
}

/* Sorted, so that a hostile file of a hundred thousand keys takes no hour. */
static sim_status check_duplicates(const struct builder *b, const struct sim_yaml *map)
{
    size_t n = 0;
    for (const struct sim_yaml *c = map->child; c; c = c->next) n++;
    const struct sim_yaml **keys = malloc((n + 1) * sizeof *keys);
    if (!keys) return sim_fail(SIM_ENOMEM, "%s: no memory to read it", b->path);
    n = 0;
    for (const struct sim_yaml *c = map->child; c; c = c->next) keys[n++] = c;
    qsort(keys, n, sizeof *keys, by_key_and_place);
    sim_status status = SIM_OK;
    for (size_t i = 1; i < n && status == SIM_OK; i++) {
        if (strcmp(keys[i - 1]->key, keys[i]->key) != 0) continue;
        char where[WHERE_BYTES];
        write_where(b->path, keys[i]->key_line, keys[i]->key_column, where, sizeof where);
        status = sim_fail(SIM_EFORMAT, "%s: duplicate key \"%.120s\", first on line %d", where, keys[i]->key,
                          keys[i - 1]->key_line);
    }
    free(keys);
    return status;
}

/* The children of a list or map, up to its end. */
static sim_status build_children(struct builder *b, struct sim_yaml *parent, int depth)
{
    struct sim_yaml **tail = &parent->child;
    for (;;) {
        yaml_event_t e;
        SIM_TRY(next_event(b, &e));
        sim_status status = SIM_OK;
        int end = e.type == YAML_SEQUENCE_END_EVENT || e.type == YAML_MAPPING_END_EVENT;
        if (!end) {
            status = parent->kind == SIM_YAML_MAP ? build_pair(b, &e, depth, tail)
                                                  : build_node(b, &e, depth, tail);
            if (*tail) tail = &(*tail)->next;
        }
        yaml_event_delete(&e);
        if (status != SIM_OK || end) return status;
    }
}

/* Builds the node that `e` begins into *out (NULL, or a node to free, on failure). */
static sim_status build_node(struct builder *b, const yaml_event_t *e, int depth, struct sim_yaml **out)
{
    *out = NULL;
    SIM_TRY(check_plain(b, e));
    if (depth > MAX_DEPTH) return fail_at(b, e->start_mark, "nested deeper than 64 levels");
    struct sim_yaml *node = calloc(1, sizeof *node);
    if (!node) return sim_fail(SIM_ENOMEM, "%s: no memory to read it", b->path);
    *out = node;
    node->line = (int)e->start_mark.line + 1;
    node->column = (int)e->start_mark.column + 1;
    if (e->type == YAML_SCALAR_EVENT) {
        char *text = NULL;
        SIM_TRY(take_text(b, e, &text));
        node->text = text;
        return SIM_OK;
    }
    node->kind = e->type == YAML_MAPPING_START_EVENT ? SIM_YAML_MAP : SIM_YAML_LIST;
    SIM_TRY(build_children(b, node, depth + 1));
    return node->kind == SIM_YAML_MAP ? check_duplicates(b, node) : SIM_OK;
}

static sim_status build_document(struct builder *b, struct sim_yaml **root)
{
    for (int documents = 0;;) {
        yaml_event_t e;
        SIM_TRY(next_event(b, &e));
        sim_status status = SIM_OK;
        int end = e.type == YAML_STREAM_END_EVENT;
        if (e.type == YAML_DOCUMENT_START_EVENT && ++documents > 1)
            status = fail_at(b, e.start_mark, "a second document begins here: one file holds one");
        else if (e.type >= YAML_ALIAS_EVENT && e.type <= YAML_MAPPING_START_EVENT)
            status = build_node(b, &e, 1, root);
        yaml_event_delete(&e);
        if (status != SIM_OK || end) return status;
    }
}

/* ------------------------------------------------------------------ files */

/* A file without a node, or with just "---", is an empty map. */
static sim_status fill_empty(struct sim_yaml_file *f)
{
    if (f->root && (f->root->kind != SIM_YAML_SCALAR || f->root->text[0])) return SIM_OK;
    if (!f->root) f->root = calloc(1, sizeof *f->root);
    if (!f->root) return sim_fail(SIM_ENOMEM, "%s: no memory to read it", f->path);
    free((char *)f->root->text);
    *f->root = (struct sim_yaml){.kind = SIM_YAML_MAP, .line = 1, .column = 1};
    return SIM_OK;
}

sim_status sim_yaml_parse(struct sim_yaml_file **out, const char *text, size_t size_bytes, const char *path)
{
    *out = NULL;
    struct sim_yaml_file *f = calloc(1, sizeof *f);
    struct builder b = {.path = path, .input = text, .input_bytes = size_bytes};
    if (f) f->path = strdup(path);
    if (!f || !f->path || !yaml_parser_initialize(&b.parser)) {
        sim_yaml_close(f);
        return sim_fail(SIM_ENOMEM, "%s: no memory to read it", path);
    }
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, size_bytes);
    sim_status status = build_document(&b, &f->root);
    yaml_parser_delete(&b.parser);
    if (status == SIM_OK) status = fill_empty(f);
    if (status == SIM_OK)
        *out = f;
    else
        sim_yaml_close(f);
    return status;
}

sim_status sim_yaml_open(struct sim_yaml_file **out, const char *path)
{
    char *text;
    size_t size;
    *out = NULL;
    SIM_TRY(sim_file_read(path, MAX_FILE_BYTES, &text, &size));
    sim_status status = sim_yaml_parse(out, text, size, path);
    free(text);
    return status;
}

void sim_yaml_close(struct sim_yaml_file *f)
{
    if (!f) return;
    free_nodes(f->root);
    free(f->path);
    free(f);
}

const struct sim_yaml *sim_yaml_root(const struct sim_yaml_file *f)
{
    return f->root;
}

const char *sim_yaml_path(const struct sim_yaml_file *f)
{
    return f->path;
}

const struct sim_yaml *sim_yaml_find(const struct sim_yaml *map, const char *key)
{
    if (map->kind != SIM_YAML_MAP) return NULL;
    for (const struct sim_yaml *c = map->child; c; c = c->next)
        if (strcmp(c->key, key) == 0) return c;
    return NULL;
}

void sim_yaml_where(const struct sim_yaml_file *f, const struct sim_yaml *node, char *out, int size)
{
    write_where(f->path, node->line, node->column, out, size);
}

void sim_yaml_where_key(const struct sim_yaml_file *f, const struct sim_yaml *node, char *out, int size)
{
    write_where(f->path, node->key_line, node->key_column, out, size);
}

/* ------------------------------------------------------------------ configuration */

/* Sets one known field from a node; `key` is its full key. */
static sim_status apply_value(const struct sim_yaml_file *f, const struct sim_yaml *node, const char *key,
                              const struct sim_schema *s, void *config)
{
    char where[WHERE_BYTES];
    sim_yaml_where(f, node, where, sizeof where);
    if (node->kind != SIM_YAML_SCALAR)
        return sim_fail(SIM_EINVAL, "%s: %s: one value belongs here, not a %s", where, key,
                        node->kind == SIM_YAML_MAP ? "map" : "list");
    return sim_fields_set(s, config, key, node->text, where);
}

static sim_status apply_section(const struct sim_yaml_file *f, const struct sim_yaml *node,
                                const struct sim_schema *s, void *config)
{
    char where[WHERE_BYTES];
    if (node->kind == SIM_YAML_SCALAR && !node->text[0]) return SIM_OK;
    if (node->kind != SIM_YAML_MAP) {
        sim_yaml_where(f, node, where, sizeof where);
        return sim_fail(SIM_EINVAL, "%s: %s: a map of keys belongs here, not a %s", where, node->key,
                        node->kind == SIM_YAML_LIST ? "list" : "single value");
    }
    for (const struct sim_yaml *c = node->child; c; c = c->next) {
        char *key;
        if (asprintf(&key, "%s.%s", node->key, c->key) < 0)
            return sim_fail(SIM_ENOMEM, "%s: no memory", f->path);
        sim_yaml_where_key(f, c, where, sizeof where);
        sim_status status =
            sim_fields_find(s, key) ? apply_value(f, c, key, s, config) : sim_fields_unknown(s, key, where);
        free(key);
        if (status != SIM_OK) return status;
    }
    return SIM_OK;
}

sim_status sim_yaml_apply(const struct sim_yaml_file *f, const struct sim_yaml *map,
                          const struct sim_schema *s, void *config)
{
    char where[WHERE_BYTES];
    if (map->kind != SIM_YAML_MAP) {
        sim_yaml_where(f, map, where, sizeof where);
        return sim_fail(SIM_EINVAL, "%s: a map of configuration keys belongs here", where);
    }
    for (const struct sim_yaml *c = map->child; c; c = c->next) {
        sim_yaml_where_key(f, c, where, sizeof where);
        if (sim_fields_is_section(s, c->key))
            SIM_TRY(apply_section(f, c, s, config));
        else if (!sim_fields_find(s, c->key))
            return sim_fields_unknown(s, c->key, where);
        else if (strchr(c->key, '.')) /* the one way to write a key, so that no key can stand there twice */
            return sim_fail(SIM_EINVAL, "%s: write \"%s\" as two nested keys, without the dot", where,
                            c->key);
        else
            SIM_TRY(apply_value(f, c, c->key, s, config));
    }
    return SIM_OK;
}
