/* SPDX-License-Identifier: MIT */
/* Records as they are built: octet by octet what cJSON would print of the same. */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/builder.h"

/* --- memory that can run out (the linker puts this in realloc's place) -------------------------- */

void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static size_t allocations_left = SIZE_MAX;

void *__wrap_realloc(void *memory, size_t size)
{
    if (allocations_left == SIZE_MAX)
        return __real_realloc(memory, size);
    return allocations_left && allocations_left-- ? __real_realloc(memory, size) : NULL;
}

/* --- two ways to build the same ---------------------------------------------------------------- */

static uint64_t seed = 1;

static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

/* Any octets but NUL; more often those that matter. */
static const char *draw_text(char *out, size_t max)
{
    static const char odd[] = "\"\\/\b\f\n\r\t\x01\x1f\x7f\x80\xff \"\\";
    size_t n = draw(max);
    bool plain = draw(2);
    for (size_t i = 0; i < n; i++)
        out[i] = plain     ? (char)('a' + draw(26))
                 : draw(4) ? (char)(1 + draw(255))
                           : odd[draw(sizeof odd - 1)];
    if (n && plain && draw(2)) /* one octet in an otherwise plain text, anywhere */
        out[draw(n)] = odd[draw(sizeof odd - 1)];
    out[n] = 0;
    return out;
}

static int64_t draw_number(void)
{
    int64_t n = (int64_t)(draw(1u << 31) << 32 ^ draw(1u << 31) << 1 ^ draw(2)) >> draw(63);
    return draw(2) ? n : -n;
}

static void add(cJSON *parent, const char *name, cJSON *item)
{
    assert_non_null(item);
    if (cJSON_IsArray(parent))
        assert_true(cJSON_AddItemToArray(parent, item));
    else
        assert_true(cJSON_AddItemToObject(parent, name, item));
}

static void build(struct builder *b, struct part part, cJSON *parent, unsigned depth);

static void build_part(struct builder *b, struct part part, cJSON *parent, const char *name,
                       unsigned depth)
{
    bool array = draw(2);
    cJSON *item = array ? cJSON_CreateArray() : cJSON_CreateObject();
    add(parent, name, item);
    build(b, array ? put_array(b, part, name) : put_object(b, part, name), item, depth + 1);
}

static void build_pair(struct builder *b, struct part array, cJSON *parent)
{
    char names[2][24], texts[2][24];
    cJSON *item = cJSON_CreateObject();
    for (int i = 0; i < 2; i++)
        add(item, draw_text(names[i], sizeof names[i]),
            cJSON_CreateString(draw_text(texts[i], sizeof texts[i])));
    add(parent, NULL, item);
    put_pair(b, array, names[0], texts[0], names[1], texts[1]);
}

/* The same things into both. */
static void build(struct builder *b, struct part part, cJSON *parent, unsigned depth)
{
    char text[80], name_text[40];
    for (uint64_t i = draw(8); i > 0; i--) {
        bool array = cJSON_IsArray(parent), truth = draw(2);
        const char *name = array ? NULL : draw_text(name_text, sizeof name_text);
        int64_t number = draw_number();
        switch (draw(depth < 6 ? 8 : 6)) {
        case 0:
            add(parent, name, cJSON_CreateNull());
            put_null(b, part, name);
            break;
        case 1:
            add(parent, name, cJSON_CreateBool(truth));
            put_truth(b, part, name, truth);
            break;
        case 2:
            add(parent, name, cJSON_CreateNumber((double)number));
            put_integer(b, part, name, number);
            break;
        case 3:
            number = number < 0 ? ~number : number;
            add(parent, name, cJSON_CreateNumber((double)number));
            put_number(b, part, name, (uint64_t)number);
            break;
        case 4:
        case 5:
            add(parent, name, cJSON_CreateString(draw_text(text, sizeof text)));
            put_text(b, part, name, text);
            break;
        default:
            if (array && draw(2))
                build_pair(b, part, parent);
            else
                build_part(b, part, parent, name, depth);
        }
    }
}

static void assert_line(const struct page *page, size_t start, const char *expected)
{
    assert_int_equal(page->len, start + strlen(expected) + 1);
    assert_memory_equal(page->bytes + start, expected, strlen(expected));
    assert_int_equal(page->bytes[page->len - 1], '\n');
}

static void test_any_record(void **state)
{
    struct page page = {0};
    (void)state;
    for (int i = 0; i < 20000; i++) {
        size_t start = page.len;
        struct builder b;
        cJSON *root = cJSON_CreateObject();
        builder_begin(&b, &page);
        build(&b, b.root, root, 1);
        assert_true(builder_end(&b));
        char *text = cJSON_PrintUnformatted(root);
        assert_line(&page, start, text);
        cJSON_free(text);
        cJSON_Delete(root);
        if (draw(4) == 0)
            page_clear(&page);
    }
    page_free(&page);
}

/* --- numbers ----------------------------------------------------------------------------------- */

static void assert_number(int64_t number)
{
    struct page page = {0};
    struct builder b;
    cJSON *root = cJSON_CreateObject();
    builder_begin(&b, &page);
    put_integer(&b, b.root, "n", number);
    add(root, "n", cJSON_CreateNumber((double)number));
    if (number >= 0) {
        put_number(&b, b.root, "m", (uint64_t)number);
        add(root, "m", cJSON_CreateNumber((double)number));
    }
    assert_true(builder_end(&b));
    char *text = cJSON_PrintUnformatted(root);
    assert_line(&page, 0, text);
    cJSON_free(text);
    cJSON_Delete(root);
    page_free(&page);
}

static void test_numbers(void **state)
{
    (void)state;
    for (int64_t power = 1; power <= INT64_MAX / 10; power *= 10)
        for (int64_t near = -2; near <= 2; near++) {
            assert_number(power + near);
            assert_number(-power + near);
        }
    for (int bits = 0; bits < 63; bits++)
        for (int64_t near = -2; near <= 2; near++) {
            assert_number(((int64_t)1 << bits) + near);
            assert_number(-((int64_t)1 << bits) + near);
        }
    assert_number(INT64_MAX);
    assert_number(INT64_MIN);
    for (int i = 0; i < 20000; i++)
        assert_number(draw_number());
}

/* --- order and depth --------------------------------------------------------------------------- */

static void test_parts_close_by_themselves(void **state)
{
    struct page page = {0};
    struct builder b;
    (void)state;
    builder_begin(&b, &page);
    struct part a = put_object(&b, b.root, "a"), c = put_array(&b, a, "c");
    put_number(&b, c, NULL, 1);
    put_array(&b, c, NULL);
    put_null(&b, a, "d");
    put_object(&b, b.root, "e");
    assert_true(builder_end(&b));
    assert_line(&page, 0, "{\"a\":{\"c\":[1,[]],\"d\":null},\"e\":{}}");
    page_free(&page);
}

/* What would stand in the wrong place is no record, and what was on the page stays. */
static void test_closed_parts_take_nothing(void **state)
{
    struct page page = {0};
    (void)state;
    assert_true(page_add(&page, "before\n", 7));
    for (int how = 0; how < 3; how++) {
        struct builder b;
        builder_begin(&b, &page);
        struct part a = put_object(&b, b.root, "a"), inner = put_array(&b, a, "inner");
        put_null(&b, b.root, "closes both");
        if (how == 1)
            put_object(&b, b.root, "stands where a stood");
        if (how == 2)
            put_text(&b, (struct part){0, 0}, "nowhere", "text");
        else
            put_text(&b, how ? a : inner, how ? "name" : NULL, "text");
        put_text(&b, b.root, "after", "text");
        assert_false(builder_end(&b));
        assert_int_equal(page.len, 7);
        assert_memory_equal(page.bytes, "before\n", 7);
    }
    page_free(&page);
}

static void test_depth(void **state)
{
    struct page page = {0};
    (void)state;
    for (unsigned depth = 1; depth <= BUILDER_DEPTH_MAX + 1; depth++) {
        struct builder b;
        builder_begin(&b, &page);
        struct part part = b.root;
        for (unsigned i = 1; i < depth; i++)
            part = put_array(&b, part, i == 1 ? "deep" : NULL);
        assert_int_equal(builder_end(&b), depth <= BUILDER_DEPTH_MAX);
    }
    page_free(&page);
}

/* --- memory ------------------------------------------------------------------------------------ */

static bool build_long(struct page *page)
{
    struct builder b;
    builder_begin(&b, page);
    for (int i = 0; i < 4000; i++)
        put_text(&b, put_object(&b, b.root, "a name"), "another", "a text that takes room");
    return builder_end(&b);
}

/* Wherever memory ends there is no record, and later ones are whole. */
static void test_no_memory(void **state)
{
    struct page page = {0}, whole = {0};
    size_t failures = 0;
    (void)state;
    assert_true(build_long(&whole));
    for (bool ok = false; !ok; failures++) {
        size_t before = page.len;
        allocations_left = failures;
        ok = build_long(&page);
        allocations_left = SIZE_MAX;
        assert_int_equal(page.len, ok ? whole.len : before);
        if (!ok)
            page_free(&page);
    }
    assert_true(failures > 3);
    assert_memory_equal(page.bytes, whole.bytes, whole.len);
    page_free(&page);
    page_free(&whole);
}

static void test_memory_is_kept(void **state)
{
    struct page page = {0};
    (void)state;
    assert_true(build_long(&page));
    allocations_left = 0;
    for (int i = 0; i < 3; i++) {
        page_clear(&page);
        assert_true(build_long(&page));
    }
    allocations_left = SIZE_MAX;
    page_free(&page);
}

static void test_page(void **state)
{
    struct page page = {0};
    (void)state;
    assert_true(page_add(&page, "", 0));
    assert_true(page_add(&page, "text", 4));
    assert_null(page_room(&page, SIZE_MAX));
    assert_null(page_room(&page, SIZE_MAX / 2 - 3));
    assert_int_equal(page.len, 4);
    assert_memory_equal(page.bytes, "text", 4);
    /* A giant is not kept. */
    assert_non_null(page_room(&page, (size_t)8 << 20));
    page_clear(&page);
    assert_int_equal(page.len, 0);
    assert_int_equal(page.max, 0);
    page_free(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_record),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_parts_close_by_themselves),
        cmocka_unit_test(test_closed_parts_take_nothing),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_memory_is_kept),
        cmocka_unit_test(test_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
