/* The backend around its operations: memory and its end, transfers, weights in bfloat16, replay, failures. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "bfloat16.h"
#include "cuda.h"
#include "facts.h"
#include "progress.h"
#include "shim.h"
#include "support.h"
#include "trials.h"

enum { LARGE = 300000, SMALL = 100 };

static struct sim_ops ops;

static void open_with(struct sim_device_options options)
{
    test_ok(sim_ops_cuda_open(&ops, &options));
}

static void *take(size_t bytes)
{
    void *at = ops.memory.take(ops.memory.context, bytes);
    ck_assert_msg(at != NULL, "%s", sim_error_text());
    return at;
}

static void release(void *block)
{
    ops.memory.release(ops.memory.context, block);
}

static void done(void)
{
    test_ok(ops.finish(&ops));
    ops.close(&ops);
}

START_TEST(it_says_what_it_is)
{
    struct sim_ops_facts facts;
    open_with((struct sim_device_options){0});
    ck_assert_str_eq(ops.name, "cuda");
    ck_assert_str_eq(ops.isa, "emulated");
    ck_assert_int_eq(ops.precision, SIM_PRECISION_BF16);
    ck_assert_int_eq(ops.act_bytes, 2);
    ck_assert_int_eq(ops.discrete, 1);
    ck_assert_int_eq(ops.deterministic, 1);
    sim_facts_of(&ops, &facts);
    ck_assert_str_eq(facts.device, "host emulation (no GPU)");
    ck_assert_int_eq(facts.emulated, 1);
    ck_assert_str_eq(facts.driver, "");
    done();
    open_with((struct sim_device_options){.precision = SIM_PRECISION_TF32, .fast = 1});
    ck_assert_int_eq(ops.act_bytes, 4);
    ck_assert_int_eq(ops.deterministic, 0);
    done();
    test_fails(sim_ops_cuda_open(&ops, &(struct sim_device_options){.ordinal = 77}), "cuda:77");
}
END_TEST

/* Every call's bytes arrive in its turn, though the host's buffer is filled anew at once. */
START_TEST(staged_bytes_arrive_in_their_turn)
{
    open_with((struct sim_device_options){.precision = SIM_PRECISION_FP32});
    float *host = malloc(LARGE * sizeof *host), *got = malloc(LARGE * sizeof *got);
    float *device[2] = {take(LARGE * sizeof(float)), take(SMALL * sizeof(float))},
          *kept = take(40 * sizeof *kept);
    for (int call = 0; call < 20; call++) {
        const int64_t count = call % 3 ? LARGE - call : SMALL - call;
        float *to = device[call % 3 ? 0 : 1];
        for (int64_t i = 0; i < count; i++) host[i] = (float)(call * 1000 + i % 1000);
        ck_assert_ptr_eq(ops.stage(&ops, to, host, (size_t)count * sizeof *host), to);
        sim_device_copy(sim_cuda(&ops)->device, sim_cuda(&ops)->stream, kept + 2 * call, to, sizeof *kept,
                        SIM_ON_DEVICE);
        sim_device_copy(sim_cuda(&ops)->device, sim_cuda(&ops)->stream, kept + 2 * call + 1, to + count - 1,
                        sizeof *kept, SIM_ON_DEVICE);
    }
    ops.download(&ops, got, kept, 40 * sizeof *got);
    for (int call = 0; call < 20; call++) {
        const int64_t count = call % 3 ? LARGE - call : SMALL - call;
        ck_assert_float_eq(got[2 * call], (float)(call * 1000));
        ck_assert_float_eq(got[2 * call + 1], (float)(call * 1000 + (count - 1) % 1000));
    }
    /* More destinations than are remembered. */
    for (int i = 0; i < 40; i++) {
        host[0] = (float)i;
        ops.stage(&ops, kept + i, host, sizeof *host);
    }
    ops.download(&ops, got, kept, 40 * sizeof *got);
    for (int i = 0; i < 40; i++) ck_assert_float_eq(got[i], (float)i);
    free(host), free(got);
    done();
}
END_TEST

START_TEST(uploads_and_posts)
{
    open_with((struct sim_device_options){.precision = SIM_PRECISION_FP32});
    float *host = malloc(LARGE * sizeof *host), *got = malloc(LARGE * sizeof *got),
          *device = take(LARGE * sizeof *device);
    for (int call = 0; call < 40; call++) { /* more than there are slots */
        host[0] = (float)call;
        ops.upload(&ops, device + call, host, sizeof *host);
    }
    ops.download(&ops, got, device, 40 * sizeof *got);
    for (int i = 0; i < 40; i++) ck_assert_float_eq(got[i], (float)i);
    for (int i = 0; i < LARGE; i++) host[i] = (float)-i;
    ops.upload(&ops, device, host, LARGE * sizeof *host);
    memset(host, 0, LARGE * sizeof *host);
    ops.download(&ops, got, device, LARGE * sizeof *got);
    for (int i = 0; i < LARGE; i++) ck_assert_float_eq(got[i], (float)-i);
    ops.upload(&ops, device, host, 0);
    ops.download(&ops, NULL, device, 0);

    for (int step = 0; step < 12; step++) {
        const float value = (float)step;
        ops.upload(&ops, device, &value, sizeof value);
        ops.post(&ops, step % SIM_POST_SLOTS, device, sizeof value);
        if (step < 3) continue;
        test_ok(ops.collect(&ops, (step - 3) % SIM_POST_SLOTS, got, sizeof *got)); /* three steps late */
        ck_assert_float_eq(got[0], (float)(step - 3));
    }
    ops.post(&ops, SIM_POST_SLOTS, device, 4);
    test_fails(ops.finish(&ops), "to slot 4");
    test_fails(ops.collect(&ops, 0, got, SIM_POST_BYTES + 1), "from slot 0");
    free(host), free(got);
    done();
}
END_TEST

START_TEST(activations_are_read_as_float)
{
    enum { COUNT = 777 };
    float got[COUNT];
    for (int precision = SIM_PRECISION_FP32; precision <= SIM_PRECISION_BF16; precision++) {
        open_with((struct sim_device_options){.precision = precision});
        unsigned char *device = take(COUNT * sizeof(float));
        for (int i = 0; i < COUNT; i++) {
            const float value = sqrtf((float)i);
            const uint16_t half = sim_bf16_round(value);
            if (ops.act_bytes == 2)
                memcpy(device + 2 * i, &half, 2);
            else
                memcpy(device + 4 * i, &value, 4);
        }
        ops.read_act(&ops, got, (const sim_act *)device, COUNT);
        for (int i = 0; i < COUNT; i++)
            ck_assert(got[i] == (ops.act_bytes == 2 ? sim_bf16_widen(sim_bf16_round(sqrtf((float)i)))
                                                    : sqrtf((float)i)));
        done();
    }
}
END_TEST

START_TEST(weights_have_copies)
{
    open_with((struct sim_device_options){0});
    struct sim_cuda *c = sim_cuda(&ops);
    float *block = take(1000 * sizeof *block), *other = take(1000 * sizeof *other);
    for (int i = 0; i < 1000; i++) block[i] = 1.0f / (float)(i + 3), other[i] = (float)-i;
    ops.weights_changed(&ops, block, 1000);
    ops.weights_changed(&ops, other, 600);
    test_ok(ops.finish(&ops));
    const uint16_t *copy = sim_cuda_weight(c, block + 17);
    ck_assert_uint_eq(copy[5], sim_bf16_round(block[22]));
    ck_assert_ptr_eq(sim_cuda_shadow(c, block + 17), copy);
    copy = sim_cuda_weight(c, other + 599);
    ck_assert_uint_eq(*copy, sim_bf16_round(-599.0f));
    ck_assert_ptr_null(sim_cuda_shadow(c, other + 600));
    ck_assert_ptr_null(sim_cuda_weight(c, other + 600));
    test_fails(ops.finish(&ops), "weights_changed");

    block[1] = 2.5f; /* the same block again: the same copy, renewed */
    copy = sim_cuda_weight(c, block);
    ops.weights_changed(&ops, block, 1000);
    test_ok(ops.finish(&ops));
    ck_assert_ptr_eq(sim_cuda_weight(c, block), copy);
    ck_assert_uint_eq(copy[1], sim_bf16_round(2.5f));
    ops.weights_changed(&ops, other + 300, 500); /* another cut of the memory: the old copy goes */
    ck_assert_ptr_null(sim_cuda_shadow(c, other));
    ck_assert_ptr_nonnull(sim_cuda_shadow(c, other + 799));
    release(block);
    ck_assert_ptr_null(sim_cuda_shadow(c, block));
    done();

    open_with((struct sim_device_options){.precision = SIM_PRECISION_FP32});
    c = sim_cuda(&ops);
    block = take(10 * sizeof *block);
    ops.weights_changed(&ops, block, 10);
    ck_assert_ptr_eq(sim_cuda_weight(c, block + 3), block + 3);
    ck_assert_ptr_null(sim_cuda_shadow(c, block));
    done();
}
END_TEST

/* Says how much was asked for, how much there is, where, and what to do. */
START_TEST(the_end_of_memory)
{
    struct sim_arena a;
    sim_shim_set_memory(3 << 19);
    open_with((struct sim_device_options){0});
    void *most = take(1500000);
    ck_assert_int_ne(sim_arena_open(&a, &ops.memory, 80000), SIM_OK);
    static const char *const words[] = {"80000 bytes", "72864 of 1572864 bytes are free",
                                        "host emulation (no GPU)", "a smaller train.batch_size"};
    for (size_t i = 0; i < 4; i++)
        ck_assert_msg(strstr(sim_error_text(), words[i]) != NULL, "\"%s\" lacks \"%s\"", sim_error_text(),
                      words[i]);
    test_ok(ops.finish(&ops)); /* who asked was told */
    ck_assert_ptr_null(sim_cuda_scratch(sim_cuda(&ops), 100));
    test_fails(ops.finish(&ops), "scratch memory of an operation: no memory for 1048576 bytes");
    float *weights = take(60000);
    ops.weights_changed(&ops, weights, 15000);
    test_fails(ops.finish(&ops), "the parameters' bfloat16 copy: no memory for 30000 bytes");
    float host[15000] = {0};
    ops.stage(&ops, weights, host, 60000); /* is small: nothing beside it is needed */
    test_ok(ops.finish(&ops));
    release(most);
    ck_assert_ptr_nonnull(sim_cuda_scratch(sim_cuda(&ops), 100));
    done();
}
END_TEST

struct job {
    int32_t *values;
    int calls;     /* of `queue` */
    int downloads; /* 1: does what cannot be recorded */
};

static void queue(void *argument)
{
    struct job *j = argument;
    int32_t out;
    j->calls++;
    trial_increment(sim_cuda(&ops)->stream, j->values, 1000);
    trial_increment(sim_cuda(&ops)->stream, j->values + 500, 500);
    if (j->downloads) ops.download(&ops, &out, j->values, sizeof out);
}

static void expect(const struct job *j, int first, int last)
{
    int32_t got[1000];
    ops.download(&ops, got, j->values, sizeof got);
    ck_assert_int_eq(got[0], first);
    ck_assert_int_eq(got[999], last);
}

START_TEST(steps_are_recorded_and_repeated)
{
    for (int graphs = 0; graphs < 2; graphs++) {
        open_with((struct sim_device_options){.graphs = graphs});
        struct job a = {.values = take(4000)}, b = {.values = take(4000)};
        for (int i = 1; i <= 10; i++) {
            ops.replay(&ops, 1, queue, &a);
            if (i % 2) ops.replay(&ops, 2, queue, &a);
            ops.replay(&ops, 1, queue, &b);
        }
        expect(&a, 15, 30);
        expect(&b, 10, 20);
        ck_assert_int_eq(a.calls, graphs ? 6 : 15); /* two as they are and one to record, for each key */
        ck_assert_int_eq(b.calls, graphs ? 3 : 10);

        /* A released block makes its addresses anybody's: everything is recorded anew. */
        release(b.values);
        b.values = take(4000);
        for (int i = 1; i <= 5; i++) ops.replay(&ops, 1, queue, &b);
        expect(&b, 5, 10);
        ck_assert_int_eq(b.calls, graphs ? 6 : 15);
        done();
    }
}
END_TEST

START_TEST(what_cannot_be_recorded_runs_and_is_noted)
{
    struct sim_ops_facts facts;
    open_with((struct sim_device_options){.graphs = 1});
    struct job a = {.values = take(4000), .downloads = 1};
    for (int i = 1; i <= 6; i++) ops.replay(&ops, 1, queue, &a);
    expect(&a, 6, 12);
    ck_assert_int_eq(a.calls, 7);
    sim_facts_of(&ops, &facts);
    ck_assert_int_eq(facts.substituted_count, 3); /* beside the emulation's own */
    ck_assert_msg(strstr(facts.substituted[0], "CUDA graphs: a step could not be recorded") != NULL, "%s",
                  facts.substituted[0]);
    done();
}
END_TEST

START_TEST(failures_are_told_once)
{
    open_with((struct sim_device_options){.graphs = 1});
    struct job a = {.values = take(4000)};
    trial_fault(sim_cuda(&ops)->stream, TRIAL_EXIT, 1);
    for (int i = 0; i < 4; i++) ops.replay(&ops, 1, queue, &a);
    sim_status status = ops.finish(&ops);
    ck_assert_int_eq(status, SIM_ELIB);
    ck_assert_ptr_nonnull(strstr(sim_error_text(), "host emulation (no GPU): kernel k_fault"));
    test_ok(ops.finish(&ops));
    expect(&a, 0, 0);
    sim_cuda_fail(sim_cuda(&ops), SIM_EINVAL, "the %s", "first");
    sim_cuda_fail(sim_cuda(&ops), SIM_ENOMEM, "the second");
    int32_t got = 3;
    ck_assert_int_eq(ops.collect(&ops, 0, &got, sizeof got), SIM_EINVAL);
    ck_assert_ptr_nonnull(strstr(sim_error_text(), "the first"));
    done();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cuda/backend");
    TCase *c = tcase_create("the backend");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, it_says_what_it_is);
    tcase_add_test(c, staged_bytes_arrive_in_their_turn);
    tcase_add_test(c, uploads_and_posts);
    tcase_add_test(c, activations_are_read_as_float);
    tcase_add_test(c, weights_have_copies);
    tcase_add_test(c, the_end_of_memory);
    tcase_add_test(c, steps_are_recorded_and_repeated);
    tcase_add_test(c, what_cannot_be_recorded_runs_and_is_noted);
    tcase_add_test(c, failures_are_told_once);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
