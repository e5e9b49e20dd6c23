/* Runs a fuzz target over its seeds and its kept corpus, in `make test` and, under the sanitizers, in `make
 * sanitize`: what once broke something, and what reaches far, is tried again without clang.  Linked with one
 * fuzz_NAME.c into the program replay_NAME. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "seeds.h"
#include "support.h"

static char target[32]; /* NAME */

static void replay_folder(const char *folder)
{
    struct dirent **entries;
    int inputs = 0, count = scandir(folder, &entries, NULL, alphasort);
    ck_assert_msg(count >= 0, "%s cannot be read", folder);
    for (int i = 0; i < count; i++) {
        char path[1200], *bytes, *exact;
        size_t size;
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            printf("%s\n", path); /* the last one is the culprit of a crash */
            fflush(stdout);
            test_ok(sim_file_read(path, (size_t)1 << 20, &bytes, &size));
            exact = malloc(size ? size : 1); /* without a zero behind it: reading on shows */
            ck_assert_ptr_nonnull(exact);
            memcpy(exact, bytes, size);
            LLVMFuzzerTestOneInput((const uint8_t *)exact, size);
            free(exact);
            free(bytes);
            inputs++;
        }
        free(entries[i]);
    }
    free(entries);
    ck_assert_int_gt(inputs, 0);
}

START_TEST(seeds)
{
    char folder[600], *words[] = {target, folder, NULL}, **argv = words;
    int argc = 2;
    snprintf(folder, sizeof folder, "%s", test_scratch());
    LLVMFuzzerInitialize(&argc, &argv);
    replay_folder(folder);
}
END_TEST

START_TEST(kept_corpus)
{
    char inside[64], *words[] = {target, NULL}, **argv = words;
    int argc = 1;
    LLVMFuzzerInitialize(&argc, &argv);
    snprintf(inside, sizeof inside, "fuzz/corpus/%s", target);
    replay_folder(test_path(inside));
}
END_TEST

int main(int argc, char **argv)
{
    const char *name = strrchr(argc > 0 ? argv[0] : "", '_');
    snprintf(target, sizeof target, "%s", name ? name + 1 : "");
    Suite *suite = suite_create(target);
    TCase *c = tcase_create("inputs");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, seeds);
    tcase_add_test(c, kept_corpus);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
