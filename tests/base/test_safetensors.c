#include "safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "faults.h"
#include "support.h"

/* ------------------------------------------------------------------ helpers */

/* A file in memory with this header text and `data_bytes` of data, parsed under the name "x.safetensors". */
static sim_status parse_header(struct sim_tensors **out, const char *header, size_t data_bytes)
{
    size_t n = strlen(header), size = 8 + n + data_bytes;
    unsigned char *file = calloc(size, 1);
    for (int i = 0; i < 8; i++) file[i] = (unsigned char)((uint64_t)n >> 8 * i);
    memcpy(file + 8, header, n);
    sim_status status = sim_tensors_parse(out, file, size, "x.safetensors");
    free(file);
    return status;
}

static const char *in_folder(const char *folder, const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* ------------------------------------------------------------------ round trip */

static const unsigned char bytes[64] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                        11, 12, 13, 14, 15, 16, 17, 18, 19, 20};

static const struct sim_tensor every_kind[] = {
    {.name = "bytes", .dtype = SIM_U8, .dims = 1, .shape = {3}, .data = bytes},
    {.name = "wide", .dtype = SIM_F64, .dims = 2, .shape = {2, 3}, .data = bytes},
    {.name = "scalar", .dtype = SIM_F32, .dims = 0, .data = bytes},
    {.name = "empty", .dtype = SIM_I64, .dims = 2, .shape = {0, 9223372036854775807}, .data = NULL},
    {.name = "count", .dtype = SIM_I64, .dims = 0, .data = bytes + 8},
    {.name = "index", .dtype = SIM_I32, .dims = 1, .shape = {5}, .data = bytes},
    {.name = "half", .dtype = SIM_F16, .dims = 3, .shape = {1, 3, 1}, .data = bytes},
    {.name = "brain", .dtype = SIM_BF16, .dims = 1, .shape = {7}, .data = bytes},
    {.name = "flags",
     .dtype = SIM_BOOL,
     .dims = SIM_MAX_DIMS,
     .shape = {1, 1, 1, 1, 1, 1, 1, 2},
     .data = bytes},
    {.name = "blocks.0/w\"\xc3\xbc\n", .dtype = SIM_F32, .dims = 1, .shape = {2}, .data = bytes},
};
enum { KINDS = sizeof every_kind / sizeof *every_kind };

START_TEST(what_is_written_is_read)
{
    const char *path = in_folder(test_scratch(), "all.safetensors");
    static const char *const metadata[] = {"format", "pt", "note", "a \"quoted\" line\n", NULL};
    test_ok(sim_tensors_write(path, every_kind, KINDS, metadata));
    struct sim_tensors *f;
    test_ok(sim_tensors_open(&f, path));
    ck_assert_int_eq(sim_tensors_count(f), KINDS);
    for (int i = 0; i < KINDS; i++) {
        const struct sim_tensor *want = &every_kind[i], *have = sim_tensors_at(f, i);
        ck_assert_str_eq(have->name, want->name);
        ck_assert_ptr_eq(have, sim_tensors_find(f, want->name));
        ck_assert_int_eq(have->dtype, want->dtype);
        ck_assert_int_eq(have->dims, want->dims);
        ck_assert_mem_eq(have->shape, want->shape, sizeof want->shape);
        ck_assert_uint_eq((uintptr_t)have->data % 8, 0);
        if (have->count > 0)
            ck_assert_mem_eq(have->data, want->data, (size_t)have->count * sim_dtype_bytes(have->dtype));
    }
    ck_assert_int_eq(sim_tensors_find(f, "scalar")->count, 1);
    ck_assert_int_eq(sim_tensors_find(f, "empty")->count, 0);
    ck_assert_str_eq(sim_tensors_metadata(f, "format"), "pt");
    ck_assert_str_eq(sim_tensors_metadata(f, "note"), metadata[3]);
    ck_assert_ptr_null(sim_tensors_metadata(f, "absent"));
    ck_assert_ptr_null(sim_tensors_find(f, "absent"));
    ck_assert_ptr_null(sim_tensors_at(f, KINDS));
    sim_tensors_close(f);
}
END_TEST

START_TEST(files_without_tensors_or_metadata)
{
    const char *path = in_folder(test_scratch(), "none.safetensors");
    test_ok(sim_tensors_write(path, NULL, 0, NULL));
    struct sim_tensors *f;
    test_ok(sim_tensors_open(&f, path));
    ck_assert_int_eq(sim_tensors_count(f), 0);
    ck_assert_ptr_null(sim_tensors_metadata(f, "format"));
    sim_tensors_close(f);
    sim_tensors_close(NULL);
}
END_TEST

START_TEST(equal_tensors_make_equal_files)
{
    const char *folder = test_scratch();
    char first[1024];
    snprintf(first, sizeof first, "%s", in_folder(folder, "a"));
    test_ok(sim_tensors_write(first, every_kind, KINDS, NULL));
    test_ok(sim_tensors_write(in_folder(folder, "b"), every_kind, KINDS, NULL));
    test_same_files(first, in_folder(folder, "b"));
}
END_TEST

/* Foreign writers need not align tensors; data is aligned all the same. */
START_TEST(odd_offsets_are_aligned_on_reading)
{
    struct sim_tensors *f;
    test_ok(parse_header(&f,
                         "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                         "\"none\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[1,1]},"
                         "\"b\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[1,9]}}",
                         9));
    ck_assert_uint_eq((uintptr_t)sim_tensors_find(f, "none")->data % 8, 0);
    ck_assert_uint_eq((uintptr_t)sim_tensors_find(f, "b")->data % 8, 0);
    sim_tensors_close(f);
}
END_TEST

START_TEST(golden_files_of_a_foreign_writer)
{
    struct sim_tensors *f;
    const struct sim_tensor *t;
    test_ok(sim_tensors_open(&f, test_path("golden/base/init.safetensors")));
    ck_assert_int_eq(sim_tensors_count(f), 138);
    test_ok(sim_tensors_expect(f, "patch_embed.proj.weight", SIM_F32, 4, (int64_t[]){48, 3, 4, 4}, &t));
    for (int i = 0; i < sim_tensors_count(f); i++) {
        ck_assert_ptr_nonnull(sim_tensors_at(f, i)->data);
        ck_assert_uint_eq((uintptr_t)sim_tensors_at(f, i)->data % 8, 0);
    }
    sim_tensors_close(f);
    test_ok(sim_tensors_open(&f, test_path("golden/base/steps.safetensors")));
    ck_assert_str_eq(sim_tensors_metadata(f, "objective"), "siameseim");
    sim_tensors_close(f);
    test_ok(sim_tensors_open(&f, test_path("golden/image_ops.safetensors")));
    ck_assert_ptr_nonnull(sim_tensors_metadata(f, "spec"));
    sim_tensors_close(f);
}
END_TEST

START_TEST(expectations_say_what_stands_there)
{
    struct sim_tensors *f;
    const struct sim_tensor *t;
    const char *path = in_folder(test_scratch(), "all.safetensors");
    test_ok(sim_tensors_write(path, every_kind, KINDS, NULL));
    test_ok(sim_tensors_open(&f, path));
    test_ok(sim_tensors_expect(f, "wide", SIM_F64, 2, (int64_t[]){2, 3}, &t));
    test_ok(sim_tensors_expect(f, "scalar", SIM_F32, 0, NULL, &t));
    test_fails(sim_tensors_expect(f, "wide", SIM_F64, 2, (int64_t[]){3, 2}, &t),
               "is F64 [2, 3], expected F64 [3, 2]");
    test_fails(sim_tensors_expect(f, "wide", SIM_F64, 1, (int64_t[]){6}, &t), "expected F64 [6]");
    test_fails(sim_tensors_expect(f, "wide", SIM_F32, 2, (int64_t[]){2, 3}, &t), path);
    test_fails(sim_tensors_expect(f, "lost", SIM_I32, 0, NULL, &t), "no tensor \"lost\" (expected: I32 [])");
    ck_assert_ptr_null(t);
    sim_tensors_close(f);
}
END_TEST

/* ------------------------------------------------------------------ hostile files */

#define ENTRY(name, dtype, shape, offsets)                                                                   \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"

static const struct {
    const char *header;
    size_t data_bytes;
    const char *says;
} hostile[] = {
    {"", 0, "not a safetensors file"},
    {"[]", 0, "not a safetensors file"},
    {" {}", 0, "not a safetensors file"},
    {"{", 0, "not valid JSON"},
    {"{}x", 0, "not valid JSON"},
    {"{\"a\":", 0, "not valid JSON"},
    {"{\"\xff\":1}", 0, "not valid JSON"},
    {"{" ENTRY("a\\u0000b", "U8", "1", "0,1") "}", 1, "not valid JSON"},
    {"{\"a\":1}", 0, "tensor \"a\": its entry is no JSON object"},
    {"{\"a\":{}}", 0, "no \"dtype\""},
    {"{\"a\":{\"dtype\":7,\"shape\":[],\"data_offsets\":[0,1]}}", 1, "no \"dtype\""},
    {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "no \"shape\""},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "data_offsets"},
    {"{" ENTRY("a", "F128", "1", "0,16") "}", 16, "unknown dtype \"F128\""},
    {"{" ENTRY("a", "f32", "1", "0,4") "}", 4, "unknown dtype"},
    {"{" ENTRY("a", "U8", "-1", "0,1") "}", 1, "shape entry 0"},
    {"{" ENTRY("a", "U8", "1,1.0", "0,1") "}", 1, "shape entry 1"},
    {"{" ENTRY("a", "U8", "\"1\"", "0,1") "}", 1, "shape entry 0"},
    {"{" ENTRY("a", "U8", "99999999999999999999", "0,1") "}", 1, "not valid JSON"},
    {"{" ENTRY("a", "U8", "1,1,1,1,1,1,1,1,1", "0,1") "}", 1, "9 dimensions"},
    {"{" ENTRY("a", "F32", "2", "0,4") "}", 4, "its shape needs 8 bytes, its offsets hold 4"},
    {"{" ENTRY("a", "F32", "0", "0,4") "}", 4, "its shape needs 0 bytes"},
    {"{" ENTRY("a", "F32", "4294967296,4294967296", "0,0") "}", 0, "overflows"},
    {"{" ENTRY("a", "F64", "1152921504606846976,16", "0,0") "}", 0, "overflows"},
    {"{" ENTRY("a", "F64", "2305843009213693952", "0,0") "}", 0, "overflows"},
    {"{" ENTRY("a", "U8", "1", "-1,0") "}", 1, "0 <= begin <= end"},
    {"{" ENTRY("a", "U8", "1", "1,0") "}", 1, "0 <= begin <= end"},
    {"{" ENTRY("a", "U8", "1", "0") "}", 1, "0 <= begin <= end"},
    {"{" ENTRY("a", "U8", "1", "0,1,2") "}", 1, "0 <= begin <= end"},
    {"{" ENTRY("a", "U8", "1", "0,true") "}", 1, "0 <= begin <= end"},
    {"{" ENTRY("a", "U8", "2", "0,2") "}", 1, "holds only 1"},
    {"{" ENTRY("a", "U8", "1", "9223372036854775806,9223372036854775807") "}", 1, "holds only 1"},
    {"{" ENTRY("a", "U8", "2", "0,2") "," ENTRY("b", "U8", "2", "1,3") "}", 3, "\"a\" and \"b\" overlap"},
    {"{" ENTRY("a", "U8", "2", "0,2") "," ENTRY("b", "U8", "2", "0,2") "}", 2, "overlap"},
    {"{" ENTRY("a", "U8", "1", "0,1") "," ENTRY("b", "U8", "1", "2,3") "}", 3,
     "a gap of 1 bytes stands before tensor \"b\""},
    {"{" ENTRY("a", "U8", "1", "1,2") "}", 2, "a gap of 1"},
    {"{" ENTRY("a", "U8", "1", "0,1") "}", 5, "4 bytes at the end"},
    {"{}", 1, "1 bytes at the end"},
    {"{" ENTRY("a", "U8", "1", "0,1") "," ENTRY("a", "U8", "1", "1,2") "}", 2, "duplicate"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "metadata \"k\" is no string"},
    {"{\"__metadata__\":[]}", 0, "\"__metadata__\" is no JSON object"},
};

START_TEST(hostile_headers_are_refused)
{
    struct sim_tensors *f = (struct sim_tensors *)1;
    test_fails(parse_header(&f, hostile[_i].header, hostile[_i].data_bytes), hostile[_i].says);
    test_fails(parse_header(&f, hostile[_i].header, hostile[_i].data_bytes), "x.safetensors");
    ck_assert_ptr_null(f);
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
    enum { DEPTH = 200000 };
    char *header = malloc(DEPTH + 8);
    strcpy(header, "{\"a\":");
    memset(header + 5, '[', DEPTH);
    header[5 + DEPTH] = '\0';
    struct sim_tensors *f;
    test_fails(parse_header(&f, header, 0), "not valid JSON");
    free(header);
}
END_TEST

START_TEST(files_cut_anywhere_are_refused)
{
    const char *folder = test_scratch(), *path = in_folder(folder, "whole.safetensors");
    test_ok(sim_tensors_write(path, every_kind, KINDS, NULL));
    char *whole;
    size_t size;
    test_ok(sim_file_read(path, 1 << 20, &whole, &size));
    struct sim_tensors *f;
    for (size_t n = 0; n < size; n++) {
        char *exact = malloc(n + 1); /* so that the sanitizer sees a read past the end */
        memcpy(exact, whole, n);
        test_fails(sim_tensors_parse(&f, exact, n, "x.safetensors"), "x.safetensors");
        free(exact);
    }
    const char *cut = in_folder(folder, "cut.safetensors");
    test_ok(sim_file_write(cut, whole, size - 1));
    test_fails(sim_tensors_open(&f, cut), cut);
    free(whole);
}
END_TEST

START_TEST(lying_header_lengths_are_refused)
{
    static const uint64_t lengths[] = {3, 100, 100000000, 100000001, 1ull << 62, ~0ull, ~0ull - 7};
    unsigned char file[32] = {0};
    struct sim_tensors *f;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int b = 0; b < 8; b++) file[b] = (unsigned char)(lengths[i] >> 8 * b);
        memcpy(file + 8, "{}", 2);
        test_fails(sim_tensors_parse(&f, file, 10, "x.safetensors"), "x.safetensors: ");
    }
}
END_TEST

/* The largest header that is read, and one byte more, both there in full. */
START_TEST(long_headers_are_refused)
{
    const size_t most = (size_t)16 << 20;
    struct sim_tensors *f;
    char *file = malloc(8 + most + 1);
    memset(file, ' ', 8 + most + 1);
    memcpy(file + 8, "{}", 2);
    for (size_t extra = 0; extra < 2; extra++) {
        for (int b = 0; b < 8; b++) file[b] = (char)((most + extra) >> 8 * b);
        sim_status status = sim_tensors_parse(&f, file, 8 + most + extra, "x.safetensors");
        ck_assert_int_eq(status, extra ? SIM_EFORMAT : SIM_OK);
        sim_tensors_close(f);
    }
    ck_assert_ptr_nonnull(strstr(sim_error_text(), "its header claims 16777217 bytes, more than 16777216"));
    free(file);
}
END_TEST

START_TEST(what_cannot_be_opened_is_named)
{
    struct sim_tensors *f;
    const char *folder = test_scratch();
    test_fails(sim_tensors_open(&f, in_folder(folder, "absent")), "absent: cannot open");
    test_fails(sim_tensors_open(&f, folder), "not a regular file");
    ck_assert_ptr_null(f);
}
END_TEST

/* ------------------------------------------------------------------ refusing to write */

START_TEST(unwritable_tensors_are_refused)
{
    const char *path = in_folder(test_scratch(), "bad.safetensors");
    struct sim_tensor t[2] = {{.name = "a", .dtype = SIM_U8, .data = bytes},
                              {.name = "b", .dtype = SIM_U8, .data = bytes}};
    t[1].name = "a";
    test_fails(sim_tensors_write(path, t, 2, NULL), "tensor name \"a\"");
    t[1].name = "__metadata__";
    test_fails(sim_tensors_write(path, t, 2, NULL), "__metadata__");
    t[1].name = "\xff";
    test_fails(sim_tensors_write(path, t, 2, NULL), "UTF-8");
    t[1] = (struct sim_tensor){.name = "b", .dtype = SIM_U8, .dims = 1, .shape = {-1}, .data = bytes};
    test_fails(sim_tensors_write(path, t, 2, NULL), "\"b\"");
    t[1].shape[0] = 1, t[1].data = NULL;
    test_fails(sim_tensors_write(path, t, 2, NULL), "no data");
    t[1].data = bytes, t[1].dtype = (enum sim_dtype)99;
    test_fails(sim_tensors_write(path, t, 2, NULL), "\"b\"");
    static const char *const metadata[] = {"k", "\xff", NULL};
    test_fails(sim_tensors_write(path, t, 1, metadata), "metadata \"k\"");
    struct sim_tensors *f;
    test_fails(sim_tensors_open(&f, path), "cannot open");
}
END_TEST

/* A checkpoint is whole or absent, whichever write fails. */
START_TEST(a_fault_at_any_write_leaves_the_old_file)
{
    const char *path = in_folder(test_scratch(), "checkpoint.safetensors");
    test_ok(sim_tensors_write(path, every_kind, 1, NULL));
    for (int64_t n = 1;; n++) {
        test_fault_at(TEST_FAULT_ENOSPC, n);
        if (sim_tensors_write(path, every_kind, KINDS, NULL) == SIM_OK) {
            ck_assert_int_eq(n, 5); /* after write, fsync, rename, fsync of the folder */
            break;
        }
        struct sim_tensors *f;
        test_ok(sim_tensors_open(&f, path));
        ck_assert(sim_tensors_count(f) == 1 || sim_tensors_count(f) == KINDS);
        sim_tensors_close(f);
    }
}
END_TEST

START_TEST(a_disk_too_full_is_told_before_anything_is_written)
{
    const char *path = in_folder(test_scratch(), "checkpoint.safetensors");
    test_fault_room(1000000);
    test_fault_at(TEST_FAULT_NONE, 0);
    test_fails(sim_tensors_write(path, every_kind, KINDS, NULL),
               "checkpoint.safetensors: not written, for want of room: it needs 1.0 MiB, and its file system "
               "has 1.0 MiB");
    ck_assert_int_eq(test_fault_at(TEST_FAULT_NONE, 0), 0);
    test_fault_room(2000000);
    test_ok(sim_tensors_write(path, every_kind, KINDS, NULL));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("safetensors");
    TCase *c = tcase_create("round trip");
    tcase_add_test(c, what_is_written_is_read);
    tcase_add_test(c, files_without_tensors_or_metadata);
    tcase_add_test(c, equal_tensors_make_equal_files);
    tcase_add_test(c, odd_offsets_are_aligned_on_reading);
    tcase_add_test(c, golden_files_of_a_foreign_writer);
    tcase_add_test(c, expectations_say_what_stands_there);
    suite_add_tcase(s, c);
    c = tcase_create("hostile");
    tcase_add_loop_test(c, hostile_headers_are_refused, 0, sizeof hostile / sizeof *hostile);
    tcase_add_test(c, deep_nesting_is_refused);
    tcase_add_test(c, files_cut_anywhere_are_refused);
    tcase_add_test(c, lying_header_lengths_are_refused);
    tcase_add_test(c, long_headers_are_refused);
    tcase_add_test(c, what_cannot_be_opened_is_named);
    suite_add_tcase(s, c);
    c = tcase_create("writing");
    tcase_add_test(c, unwritable_tensors_are_refused);
    tcase_add_test(c, a_fault_at_any_write_leaves_the_old_file);
    tcase_add_test(c, a_disk_too_full_is_told_before_anything_is_written);
    suite_add_tcase(s, c);
    return test_run(s);
}
