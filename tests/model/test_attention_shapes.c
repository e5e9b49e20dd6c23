/* The list of attention that a step runs, against a step that is watched. */
#include <string.h>

#include "objectives.h"
#include "small_model.h"

enum { MOST = 64 };

static struct sim_attention_use seen[MOST];
static int count;
static struct sim_ops real;

static void see(int trained, int64_t batch, int64_t tokens, int64_t heads, int64_t head_dim)
{
    ck_assert_int_lt(count, MOST);
    seen[count++] = (struct sim_attention_use){NULL, {batch, tokens, heads, head_dim}, trained};
}

static void watch_forward(const struct sim_ops *o, sim_act *out, float *lse, const sim_act *qkv,
                          int64_t batch, int64_t tokens, int64_t heads, int64_t head_dim)
{
    see(lse != NULL, batch, tokens, heads, head_dim);
    real.attention(o, out, lse, qkv, batch, tokens, heads, head_dim);
}

static int is_listed(const struct sim_attention_use *uses, int many, const struct sim_attention_use *u)
{
    for (int i = 0; i < many; i++)
        if (uses[i].trained == u->trained && memcmp(&uses[i].shape, &u->shape, sizeof u->shape) == 0)
            return 1;
    return 0;
}

/* Every shape seen is listed, and every shape listed is seen. */
static void assert_listed(const struct small *s, int objective)
{
    struct sim_attention_use uses[SIM_ATTENTION_USES];
    const struct sim_objective_kind *kind = &sim_objective_kinds[objective];
    const struct sim_pretrain_config config = {
        .objective = objective,
        .siameseim = s->c,
        .mae = {.decoder_embed_dim = 16, .decoder_depth = 2, .decoder_num_heads = 4, .norm_pix_loss = 1},
        .moco_v3 = {.mlp_dim = 16, .dim = 8, .temperature = 0.2}};
    const struct sim_pretrain_job job = {&s->vit, &config, s->batch, s->hidden};
    int many = kind->attention(uses, &job);
    double loss;
    count = 0;
    real = small_ops();
    struct sim_ops watched = real;
    watched.attention = watch_forward;
    struct sim_objective o;
    test_ok(kind->open(&o, &watched, &job, 1));
    struct sim_batch *batch = small_batch(s, 0);
    test_ok(small_step(&o, batch, 0.9, 0, NULL, &loss));
    small_batch_close(batch);
    o.close(&o);
    real.close(&real);
    for (int i = 0; i < count; i++)
        ck_assert_msg(is_listed(uses, many, &seen[i]), "a step runs %d heads of %d over %d tokens, unlisted",
                      (int)seen[i].shape.heads, (int)seen[i].shape.head_dim, (int)seen[i].shape.tokens);
    for (int i = 0; i < many; i++)
        ck_assert_msg(is_listed(seen, count, &uses[i]), "no step runs the %s as listed", uses[i].where);
}

START_TEST(listed_as_run)
{
    struct small s = small_model();
    for (int objective = 0; objective < SIM_OBJECTIVES; objective++) assert_listed(&s, objective);
    s.hidden = 0;
    assert_listed(&s, SIM_OBJECTIVE_SIAMESEIM);
    s.c.projector_depth = 0;
    assert_listed(&s, SIM_OBJECTIVE_SIAMESEIM);
    s = small_model();
    s.vit.num_heads = 2, s.c.decoder_num_heads = 4, s.c.predictor_depth = 3, s.batch = 3;
    assert_listed(&s, SIM_OBJECTIVE_SIAMESEIM);
}
END_TEST

START_TEST(the_published_shapes)
{
    const struct small s = vit_b();
    struct sim_attention_use uses[SIM_ATTENTION_USES];
    ck_assert_int_eq(sim_siameseim_attention(uses, &s.vit, &s.c, 64, 196 - s.hidden), 5);
    const int64_t tokens[] = {79, 79, 275, 197, 197}, heads[] = {12, 16, 16, 12, 16},
                  dims[] = {64, 48, 48, 64, 48};
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(uses[i].shape.batch, 64);
        ck_assert_int_eq(uses[i].shape.tokens, tokens[i]);
        ck_assert_int_eq(uses[i].shape.heads, heads[i]);
        ck_assert_int_eq(uses[i].shape.head_dim, dims[i]);
        ck_assert_int_eq(uses[i].trained, i < 3);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attention_shapes");
    TCase *t = tcase_create("shapes");
    tcase_add_test(t, listed_as_run);
    tcase_add_test(t, the_published_shapes);
    suite_add_tcase(suite, t);
    return test_run(suite);
}
