/* What is refused before cuDNN is asked, and what the sentences name. */
#include <string.h>

#include "attention.h"
#include "support.h"

START_TEST(versions)
{
    test_ok(sim_attention_check_version(91600));
    test_ok(sim_attention_check_version(91900));
    test_ok(sim_attention_check_version(92100));
    static const struct {
        size_t version;
        const char *name;
    } refused[] = {
        {91000, "9.10.0"}, {91001, "9.10.1"}, {91002, "9.10.2"}, {91501, "9.15.1"}, {90100, "9.1.0"}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        test_fails(sim_attention_check_version(refused[i].version), refused[i].name);
        ck_assert_ptr_nonnull(strstr(sim_error_text(), "compute.precision: fp32"));
    }
}
END_TEST

START_TEST(shapes)
{
    for (int64_t d = 8; d <= 256; d += 8)
        test_ok(sim_attention_check(&(struct sim_attention_shape){2, 17, 3, d}, 91900));
    for (int64_t d = 1; d <= 264; d++)
        if (d % 8 || d > 256)
            test_fails(sim_attention_check(&(struct sim_attention_shape){2, 17, 3, d}, 91900),
                       "multiples of 8");
    test_fails(sim_attention_check(&(struct sim_attention_shape){64, 197, 5, 36}, 91900),
               "64 images, 197 tokens, 5 heads of 36");
    ck_assert_ptr_nonnull(strstr(sim_error_text(), "cuDNN 9.19.0"));
    ck_assert_ptr_nonnull(strstr(sim_error_text(), "compute.precision: fp32"));
    test_fails(sim_attention_check(&(struct sim_attention_shape){0, 197, 5, 64}, 91900), "0 images");
    test_fails(sim_attention_check(&(struct sim_attention_shape){1, 1, 1, 64}, 91000), "9.10.0");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attention_limits");
    TCase *t = tcase_create("limits");
    tcase_add_test(t, versions);
    tcase_add_test(t, shapes);
    suite_add_tcase(suite, t);
    return test_run(suite);
}
