/*
 * test_top.c - what top makes of answers, drawn to a screen in memory.
 */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "base/terminal.h"
#include "cli/top_keys.h"

#define SERIES(part, labels, value)                                                                \
    "{\"metric\":{\"nv_part\":\"" #part "\"" labels "},\"value\":[1,\"" value "\"]}"
#define ID(id)        ",\"id\":\"" id "\""
#define LABEL(n, v)   ",\"" n "\":\"" v "\""
#define VECTOR(items) "{\"resultType\":\"vector\",\"result\":[" items "]}"

static struct nv_top_data *data_of(const char *json)
{
    struct nv_top_data *data = nv_top_data_new();

    ck_assert(data);
    ck_assert_int_eq(nv_query_read_data(&data->now, NV_QUERY_INSTANT, nv_str(json)), 0);
    data->time_ms = 1767322800000;
    nv_top_data_sort(data);
    return data;
}

static struct nv_top_view view_of(void)
{
    struct nv_top_view view;

    nv_top_view_init(&view);
    view.span_ms = 300000;
    view.source = "here";
    return view;
}

/* Compares all that stands on the screen. */
static void assert_drawn(const char *json, const struct nv_top_view *view, size_t width, bool utf8,
                         const char *expected)
{
    NV_AUTO(nv_top_data) *data = data_of(json);
    NV_AUTO(nv_top_screen) *screen = nv_top_screen_new(width, 100, utf8);
    NV_AUTO_BUF text = NV_BUF(1 << 20);

    nv_top_draw(screen, data, view);
    nv_top_print(screen, &text);
    ck_assert_str_eq(nv_buf_c_string(&text), expected);
}

/* Parts are numbers on the wire; these are the ones used below. */
START_TEST(parts_have_the_numbers_of_this_test)
{
    ck_assert_int_eq(NV_TOP_LOAD1, 2);
    ck_assert_int_eq(NV_TOP_CPU, 5);
    ck_assert_int_eq(NV_TOP_MEMORY_TOTAL, 7);
    ck_assert_int_eq(NV_TOP_DISK_READ, 14);
    ck_assert_int_eq(NV_TOP_GROUP_CPU, 23);
    ck_assert_int_eq(NV_TOP_GROUP_MEMORY, 24);
    ck_assert_int_eq(NV_TOP_ALERTS, 25);
}
END_TEST

START_TEST(an_empty_store_is_said_to_be_one)
{
    struct nv_top_view view = view_of();

    assert_drawn(VECTOR(""), &view, 60, true,
                 "nothing known at this time\n"
                 "2026-01-02 03:00:00 UTC  live  span 5m  here\n");
}
END_TEST

START_TEST(what_went_wrong_stands_in_the_header_above_what_is_kept)
{
    struct nv_top_view view = view_of();

    view.error = "cannot ask here: refused";
    assert_drawn(VECTOR(SERIES(7, "", "1048576") "," SERIES(8, "", "524288")), &view, 40, true,
                 "unnamed node\n"
                 "2026-01-02 03:00:00 UTC  live  span 5m …\n"
                 "cannot ask here: refused\n"
                 "Memory\n"
                 "used  50.0% 512 KiB of 1.0 MiB\n");
}
END_TEST

START_TEST(panels_leave_when_they_are_hidden)
{
    struct nv_top_view view = view_of();

    view.hidden = 1u << NV_TOP_PANEL_MEMORY;
    assert_drawn(VECTOR(SERIES(7, "", "1048576") "," SERIES(8, "", "524288")), &view, 60, true,
                 "unnamed node\n"
                 "2026-01-02 03:00:00 UTC  live  span 5m  here\n");
}
END_TEST

START_TEST(cores_stand_by_number_and_what_is_no_number_is_a_dash)
{
    struct nv_top_view view = view_of();

    assert_drawn(VECTOR(SERIES(5, LABEL("cpu", "10"), "NaN") "," SERIES(
                     5, LABEL("cpu", "2"), "97.3") "," SERIES(5, LABEL("cpu", "0"), "+Inf")),
                 &view, 20, false,
                 "unnamed node\n"
                 "2026-01-02 03:00:00~\n"
                 "CPU\n"
                 "0         -\n"
                 "2     97.3%\n"
                 "10        -\n");
}
END_TEST

/* ---- text ----------------------------------------------------------------------------------- */

static const struct {
    const char *name, *utf8, *ascii;
} texts[] = {
    {"eth0",                     "eth0",             "eth0"     },
    {"\033[31mred\a",            "?[31mred?",        "?[31mred?"},
    {"a\nb\tc\x7f",              "a?b?c?",           "a?b?c?"   },
    {"gr\u00fcn \u0416",         "gr\u00fcn \u0416", "gr?n ?"   },
    {"\u65e5\u672c",             "??",               "??"       }, /* two places each */
    {"e\u0301",                  "e?",               "e?"       }, /* combines */
    {"\u202eabc\u05d0",          "?abc?",            "?abc?"    }, /* right to left */
    {"\u00ad\xc2\x85\U0001f600", "???",              "???"      },
    {"\xff\xc3",                 "??",               "??"       },
};

START_TEST(only_characters_of_one_place_reach_the_screen)
{
    for (int utf8 = 0; utf8 < 2; utf8++) {
        NV_AUTO(nv_top_screen) *screen = nv_top_screen_new(40, 1, utf8);
        NV_AUTO_BUF text = NV_BUF(1024);
        nv_top_put(screen, 0, 0, 40, NV_TOP_PLAIN, nv_str(texts[_i].name));
        nv_buf_reset(&text);
        nv_top_print(screen, &text);
        NV_AUTO_BUF expected = NV_BUF(1024);
        nv_buf_printf(&expected, "%s\n", utf8 ? texts[_i].utf8 : texts[_i].ascii);
        ck_assert_str_eq(nv_buf_c_string(&text), nv_buf_c_string(&expected));
    }
}
END_TEST

START_TEST(what_is_off_the_screen_is_left_out)
{
    NV_AUTO(nv_top_screen) *screen = nv_top_screen_new(4, 2, true);
    NV_AUTO_BUF text = NV_BUF(1024);

    nv_top_put(screen, 2, 0, 9, NV_TOP_PLAIN, NV_LIT("abcdef"));
    nv_top_put(screen, 0, 2, 9, NV_TOP_PLAIN, NV_LIT("abc"));
    nv_top_put_right(screen, 0, 1, 3, NV_TOP_PLAIN, NV_LIT("12"));
    nv_top_print(screen, &text);
    ck_assert_str_eq(nv_buf_c_string(&text), "  ab\n 12\n");
}
END_TEST

/* ---- graphs --------------------------------------------------------------------------------- */

static const double points[] = {0, 25, 50, 75, 100, NAN, NAN, 1000};
static const struct nv_top_scale scale = {100, 60, 90};

START_TEST(two_values_share_a_place_of_braille)
{
    NV_AUTO(nv_top_screen) *screen = nv_top_screen_new(4, 1, true);
    static const uint32_t expected[] = {0x2800 + 0x40 + 0x80, 0x2800 + 0x44 + 0xb0, 0x2800 + 0x47,
                                        0x2800 + 0xb8};

    nv_top_put_graph(screen, 0, 0, 4, points, NV_LEN(points), scale);
    for (size_t i = 0; i < NV_LEN(expected); i++)
        ck_assert_uint_eq(screen->cells[i].c, expected[i]);
    ck_assert_uint_eq(screen->cells[0].style, NV_TOP_GOOD);
    ck_assert_uint_eq(screen->cells[1].style, NV_TOP_WARN);
    ck_assert_uint_eq(screen->cells[3].style, NV_TOP_BAD);
}
END_TEST

START_TEST(the_newest_values_stand_at_the_right_of_a_graph_in_ascii)
{
    NV_AUTO(nv_top_screen) *screen = nv_top_screen_new(10, 2, false);
    NV_AUTO_BUF text = NV_BUF(1024);

    nv_top_put_graph(screen, 0, 0, 10, points, NV_LEN(points), scale);
    nv_top_put_graph(screen, 0, 1, 5, points, NV_LEN(points), scale);
    nv_top_print(screen, &text);
    ck_assert_str_eq(nv_buf_c_string(&text), "  .:=*@  @\n*@  @\n");
}
END_TEST

START_TEST(a_bar_takes_its_share)
{
    static const double shares[] = {0, 0.5, 1, 7, -1, NAN};
    NV_AUTO(nv_top_screen) *screen = nv_top_screen_new(4, NV_LEN(shares), false);
    NV_AUTO_BUF text = NV_BUF(1024);

    for (size_t i = 0; i < NV_LEN(shares); i++)
        nv_top_put_bar(screen, 0, i, 4, NV_TOP_GOOD, shares[i]);
    nv_top_print(screen, &text);
    ck_assert_str_eq(nv_buf_c_string(&text), "....\n##..\n####\n####\n....\n....\n");
}
END_TEST

/* ---- the tree ------------------------------------------------------------------------------- */

// clang-format off
static const char groups[] = VECTOR(
    SERIES(23, ID("/"), "50") "," SERIES(23, ID("/system.slice"), "10") ","
    SERIES(23, ID("/user.slice"), "40") "," SERIES(23, ID("/system.slice/b.service"), "9") ","
    SERIES(23, ID("/system.slice/a.service"), "1") "," SERIES(24, ID("/system.slice/a.service"), "2048") ","
    SERIES(23, ID("/system.slicer"), "5") ","
    SERIES(24, ID("/kubepods/pod1/c1") LABEL("container", "web") LABEL("pod", "shop-1"), "1024"));
// clang-format on

static void assert_tree(const struct nv_top_view *view, const char *expected)
{
    NV_AUTO(nv_top_data) *data = data_of(groups);
    NV_AUTO_FREE struct nv_top_row *found = calloc(NV_TOP_ROWS_MAX, sizeof(*found));
    NV_AUTO_BUF text = NV_BUF(4096);
    size_t n = nv_top_tree(data, view, found);

    for (size_t i = 0; i < n; i++)
        nv_buf_printf(&text, "%zu%c%.*s\n", found[i].depth, found[i].mark ? found[i].mark : '|',
                      NV_ARGS(found[i].name));
    ck_assert_str_eq(nv_buf_c_string(&text), expected);
}

START_TEST(the_path_of_a_group_makes_the_tree_and_siblings_are_sorted)
{
    struct nv_top_view view = view_of();

    assert_tree(&view, "0-/\n1 user.slice\n1-system.slice\n2 b.service\n2 a.service\n"
                       "1 system.slicer\n1 web\n");
    view.sorts[NV_TOP_PANEL_GROUPS].reversed = true;
    assert_tree(&view, "0-/\n1 system.slicer\n1-system.slice\n2 a.service\n2 b.service\n"
                       "1 user.slice\n1 web\n");
    view.sorts[NV_TOP_PANEL_GROUPS] = (struct nv_top_sort){0, false};
    assert_tree(&view, "0-/\n1-system.slice\n2 a.service\n2 b.service\n1 system.slicer\n"
                       "1 user.slice\n1 web\n");
}
END_TEST

START_TEST(what_is_below_a_folded_group_is_not_shown)
{
    struct nv_top_view view = view_of();

    nv_top_fold(&view, nv_top_key(NV_LIT("/system.slice")));
    assert_tree(&view, "0-/\n1 user.slice\n1+system.slice\n1 system.slicer\n1 web\n");
    nv_top_fold(&view, nv_top_key(NV_LIT("/")));
    assert_tree(&view, "0+/\n");
    nv_top_fold(&view, nv_top_key(NV_LIT("/")));
    nv_top_fold(&view, nv_top_key(NV_LIT("/system.slice")));
    ck_assert_uint_eq(view.n_folded, 0);
    for (uint64_t i = 0; i <= NV_TOP_FOLDED_MAX; i++) /* no more than the bound, and no harm */
        nv_top_fold(&view, i);
    ck_assert_uint_eq(view.n_folded, NV_TOP_FOLDED_MAX);
}
END_TEST

/* With the kubelet's word, and without. */
START_TEST(pods_and_containers_have_their_names)
{
    static const struct {
        const char *labels, *name, *beside;
    } groups_of[] = {
        {LABEL("container", "web") LABEL("name",               "0123") LABEL("pod",                                 "p") LABEL("namespace", "n"),
         "web", "p"},
        {LABEL("pod",             "shop-1") LABEL("namespace",                                                "n"),                                                                                                "shop-1", "n"},
        {LABEL("name",       "0123456789abcdef0123456789abcdef") LABEL("pod", "p"), "0123456789ab", "p"},
        {LABEL("name",              "0123456789abcdefg"),                                               "0123456789abcdefg",                                                                                       ""},
        {"",             "c",                                ""                                                                               },
    };
    struct nv_top_view view = view_of();

    for (size_t i = 0; i < NV_LEN(groups_of); i++) {
        NV_AUTO_BUF json = NV_BUF(4096);
        nv_buf_printf(&json, VECTOR(SERIES(23, ID("/a/b/c") "%s", "1")), groups_of[i].labels);
        NV_AUTO(nv_top_data) *data = data_of(nv_buf_c_string(&json));
        NV_AUTO_FREE struct nv_top_row *rows = calloc(NV_TOP_ROWS_MAX, sizeof(*rows));
        ck_assert_uint_eq(nv_top_tree(data, &view, rows), 1);
        ck_assert(nv_str_is(rows[0].name, groups_of[i].name));
        ck_assert(nv_str_is(rows[0].beside, groups_of[i].beside));
    }
}
END_TEST

START_TEST(a_flat_list_is_sorted_as_a_whole)
{
    struct nv_top_view view = view_of();

    view.flat = true;
    view.sorts[NV_TOP_PANEL_GROUPS].column = NV_TOP_GROUPS_MEMORY;
    assert_tree(&view, "0|a.service\n0|web\n0|/\n0|b.service\n0|system.slice\n0|system.slicer\n"
                       "0|user.slice\n");
}
END_TEST

START_TEST(a_filter_finds_names_paths_and_pods_and_shows_what_they_are_in)
{
    struct nv_top_view view = view_of();

    snprintf(view.filter, sizeof(view.filter), "shop");
    assert_tree(&view, "0-/\n1 web\n");
    snprintf(view.filter, sizeof(view.filter), "system.slice/");
    assert_tree(&view, "0-/\n1-system.slice\n2 b.service\n2 a.service\n");
    view.flat = true;
    assert_tree(&view, "0|b.service\n0|a.service\n");
    snprintf(view.filter, sizeof(view.filter), "nothing");
    assert_tree(&view, "");
}
END_TEST

/* ---- tables --------------------------------------------------------------------------------- */

// clang-format off
static const char disks[] = VECTOR(
    SERIES(14, LABEL("device", "sda"), "1024") "," SERIES(14, LABEL("device", "sdb"), "NaN") ","
    SERIES(14, LABEL("device", "sdc"), "2048") "," SERIES(16, LABEL("device", "sda"), "50") ","
    SERIES(16, LABEL("device", "only-busy"), "7"));
// clang-format on

START_TEST(a_table_is_sorted_by_any_column_and_what_is_not_known_is_last)
{
    static const struct {
        struct nv_top_sort sort;
        const char *expected;
    } sorts[] = {
        {{0, false}, "oabc"},
        {{0, true},  "cbao"},
        {{1, false}, "caob"},
        {{1, true},  "acob"},
        {{4, false}, "aobc"},
    };
    struct nv_top_view view = view_of();
    NV_AUTO(nv_top_data) *data = data_of(disks);

    for (size_t i = 0; i < NV_LEN(sorts); i++) {
        NV_AUTO(nv_top_screen) *screen = nv_top_screen_new(60, 20, false);
        char order[5] = "";
        view.sorts[NV_TOP_PANEL_DISKS] = sorts[i].sort;
        nv_top_draw(screen, data, &view);
        for (size_t y = 0; y < 4; y++) { /* sda: a ... only-busy: o */
            const struct nv_top_cell *line = &screen->cells[(3 + y) * screen->width];
            order[y] = (char)(line[0].c == 's' ? line[2].c : line[0].c);
        }
        ck_assert_str_eq(order, sorts[i].expected);
    }
}
END_TEST

/* ---- what was ------------------------------------------------------------------------------- */

#define POINT(time, value) "[" time ",\"" value "\"]"
#define PAST(part, labels, points)                                                                 \
    "{\"metric\":{\"nv_part\":\"" #part "\"" labels "},\"values\":[" points "]}"
#define MATRIX(items) "{\"resultType\":\"matrix\",\"result\":[" items "]}"

/* Steps of 3 s, of which the last is the newest of all. */
START_TEST(histories_of_devices_stand_beside_them_to_one_scale)
{
    struct nv_top_view view = view_of();
    NV_AUTO(nv_top_data) *data = data_of(VECTOR(SERIES(18, LABEL("device", "eth0"), "1") "," SERIES(
        19, LABEL("device", "eth0"), "2") "," SERIES(18, LABEL("device", "idle"), "0")));
    NV_AUTO(nv_top_screen) *screen = nv_top_screen_new(60, 20, false);
    NV_AUTO_BUF text = NV_BUF(1 << 16);
    const char past[] = MATRIX(
        PAST(18, LABEL("device", "eth0"), POINT("3", "4000") "," POINT("9", "8000")) "," PAST(
            19, LABEL("device", "eth0"),
            POINT("6", "1000") "," POINT("9", "+Inf")) "," PAST(18, LABEL("device", "idle"),
                                                                POINT("3", "10") "," POINT("6",
                                                                                           "0")));

    ck_assert_int_eq(nv_query_read_data(&data->history, NV_QUERY_RANGE, nv_str(past)), 0);
    nv_top_data_sort(data);
    nv_top_draw(screen, data, &view);
    nv_top_print(screen, &text);
    ck_assert_str_eq(nv_buf_c_string(&text),
                     "unnamed node\n"
                     "2026-01-02 03:00:00 UTC  live  span 5m  here\n"
                     "Network +device                               in/s     out/s\n"
                     "eth0                  = @           .@         1 B       2 B\n"
                     "idle                  ..                       0 B         -\n");
}
END_TEST

/* ---- the mouse and the keys ----------------------------------------------------------------- */

struct desk {
    struct nv_top_view view;
    struct nv_top_control control;
    struct nv_top_data *data;
};

/* As after a tick, on a terminal of that height. */
static void look(struct desk *desk, size_t height)
{
    struct nv_top_screen *screen = nv_top_screen_new(60, NV_TOP_LINES_MAX, false);

    nv_top_draw(screen, desk->data, &desk->view);
    nv_top_control_fit(&desk->control, screen, height);
}

static void sit_down(struct desk *desk, const char *json, size_t height)
{
    *desk = (struct desk){.view = view_of(), .data = data_of(json)};
    desk->control.view = &desk->view;
    look(desk, height);
}

static void stand_up(struct desk *desk)
{
    nv_top_screen_free(desk->control.screen);
    nv_top_data_free(desk->data);
}

static void click(struct desk *desk, size_t x, size_t y, size_t height)
{
    nv_top_click(&desk->control, NV_TOP_BUTTON_LEFT, x, y);
    look(desk, height);
}

/* Header of two lines; disks with their head in line 2; then rows. */
START_TEST(a_click_on_a_head_sorts_and_another_turns_it_round)
{
    struct desk desk;

    sit_down(&desk, disks, 20);
    const struct nv_top_sort *sort = &desk.view.sorts[NV_TOP_PANEL_DISKS];
    click(&desk, 25, 2, 20);
    ck_assert(sort->column == 1 && !sort->reversed);
    click(&desk, 59, 2, 20);
    ck_assert(sort->column == 4 && !sort->reversed);
    click(&desk, 50, 2, 20);
    ck_assert(sort->column == 4 && sort->reversed);
    click(&desk, 7, 2, 20);
    ck_assert(sort->column == 0 && !sort->reversed);
    click(&desk, 7, 19, 20); /* nothing is there */
    click(&desk, 4000, 4000, 20);
    ck_assert(sort->column == 0 && !sort->reversed && !desk.view.chosen.kind);
    stand_up(&desk);
}
END_TEST

START_TEST(a_click_on_a_row_chooses_it_and_its_labels_stand_at_the_foot)
{
    struct desk desk;

    sit_down(&desk, disks, 20);
    click(&desk, 30, 4, 20);
    ck_assert(desk.view.chosen.kind == NV_TOP_SPOT_ROW);
    const struct nv_top_screen *screen = desk.control.screen;
    ck_assert_uint_eq(nv_top_control_line(&desk.control, 19), screen->height);
    NV_AUTO_BUF foot = NV_BUF(256);
    for (size_t x = 0; x < 10; x++)
        nv_buf_char(&foot, (char)screen->cells[screen->height * screen->width + x].c);
    ck_assert_str_eq(nv_buf_c_string(&foot), "device=sda");
    ck_assert(screen->cells[4 * screen->width].reversed);
    ck_assert(!screen->cells[5 * screen->width].reversed);
    nv_top_press(&desk.control, 27, false);
    look(&desk, 20);
    ck_assert(!desk.control.screen->has_foot);
    stand_up(&desk);
}
END_TEST

START_TEST(a_click_on_a_group_folds_what_is_below_it_also_when_scrolled)
{
    struct desk desk;

    sit_down(&desk, groups, 6);
    ck_assert_uint_eq(desk.control.screen->used, 10);
    nv_top_click(&desk.control, NV_TOP_WHEEL_DOWN, 0, 0);
    look(&desk, 6);
    ck_assert_uint_eq(desk.control.scroll, 3);
    click(&desk, 9, 2, 6); /* line 5: the third group */
    ck_assert(desk.view.chosen.kind == NV_TOP_SPOT_NODE);
    ck_assert_uint_eq(desk.view.chosen.key, nv_top_key(NV_LIT("/system.slice")));
    ck_assert_uint_eq(desk.control.screen->used, 8);
    nv_top_press(&desk.control, '\n', false);
    look(&desk, 6);
    ck_assert_uint_eq(desk.control.screen->used, 10);
    stand_up(&desk);
}
END_TEST

START_TEST(a_click_on_a_title_shows_the_panel_alone_and_the_other_button_hides_it)
{
    struct desk desk;

    sit_down(&desk, disks, 20);
    click(&desk, 0, 2, 20);
    ck_assert_uint_eq(desk.view.alone, NV_TOP_PANEL_DISKS + 1);
    click(&desk, 0, 2, 20);
    ck_assert_uint_eq(desk.view.alone, 0);
    nv_top_click(&desk.control, NV_TOP_BUTTON_RIGHT, 0, 4); /* no title */
    ck_assert_uint_eq(desk.view.hidden, 0);
    nv_top_click(&desk.control, NV_TOP_BUTTON_RIGHT, 0, 2);
    look(&desk, 20);
    ck_assert_uint_eq(desk.view.hidden, 1u << NV_TOP_PANEL_DISKS);
    ck_assert_uint_eq(desk.control.screen->used, 2);
    nv_top_press(&desk.control, '4', false);
    ck_assert_uint_eq(desk.view.hidden, 0);
    nv_top_press(&desk.control, 'z', false); /* groups, of which there are none */
    nv_top_press(&desk.control, '9', false);
    look(&desk, 20);
    ck_assert_uint_eq(desk.view.alone, NV_TOP_PANEL_PROCESSES + 1);
    ck_assert_uint_eq(desk.control.screen->used, 4);
    nv_top_press(&desk.control, 27, false);
    ck_assert_uint_eq(desk.view.alone, 0);
    stand_up(&desk);
}
END_TEST

START_TEST(keys_choose_one_row_after_another_and_keep_it_in_sight)
{
    struct desk desk;

    sit_down(&desk, groups, 6);
    nv_top_press(&desk.control, 'k', false); /* none: the first */
    for (int i = 0; i < 20; i++) {
        nv_top_press(&desk.control, 'j', false);
        look(&desk, 6);
    }
    ck_assert_uint_eq(desk.view.chosen.key, nv_top_key(NV_LIT("/kubepods/pod1/c1")));
    ck_assert_uint_eq(desk.control.scroll, 10 - 2 - desk.control.room);
    for (int i = 0; i < 20; i++) {
        nv_top_press(&desk.control, 'k', false);
        look(&desk, 6);
    }
    ck_assert_uint_eq(desk.view.chosen.key, nv_top_key(NV_LIT("/")));
    ck_assert_uint_eq(desk.control.scroll, 1);
    desk.view.chosen.key = 1; /* it has gone */
    nv_top_press(&desk.control, 'j', false);
    ck_assert_int_eq(desk.view.chosen.kind, NV_TOP_SPOT_NONE);
    stand_up(&desk);
}
END_TEST

START_TEST(steps_go_back_and_forth_and_end_at_what_is_live)
{
    struct desk desk;

    sit_down(&desk, disks, 20);
    int64_t now_ms = nv_wall_ms();
    desk.control.time_ms = now_ms;
    nv_top_press(&desk.control, KEY_RIGHT, true); /* there is nothing newer */
    ck_assert(desk.view.at_ms == 0 && !desk.control.ask);
    nv_top_press(&desk.control, KEY_LEFT, true);
    nv_top_press(&desk.control, '[', false);
    ck_assert_int_eq(desk.view.at_ms, now_ms - 303000);
    ck_assert(desk.control.ask);
    nv_top_press(&desk.control, ']', false);
    ck_assert_int_eq(desk.view.at_ms, now_ms - 3000);
    for (int i = 0; i < 3; i++) /* not back to the last that was shown */
        nv_top_press(&desk.control, ']', false);
    ck_assert_int_eq(desk.view.at_ms, 0);

    desk.control.ahead_ms = 3600000; /* of a node whose clock is */
    desk.control.time_ms = now_ms + 3600000;
    nv_top_press(&desk.control, '[', false);
    nv_top_press(&desk.control, KEY_RIGHT, true);
    ck_assert_int_eq(desk.view.at_ms, now_ms + 3600000 - 297000);
    nv_top_press(&desk.control, 'n', false);
    ck_assert_int_eq(desk.view.at_ms, 0);
    nv_top_press(&desk.control, KEY_LEFT, true); /* before there is an answer */
    ck_assert_int_ge(desk.view.at_ms, now_ms + 3600000 - 3000);

    desk.view.at_ms = 0;
    desk.control.ended = true; /* a folder's newest sample is as far as it goes */
    desk.control.time_ms = desk.control.newest_ms = 1000000;
    nv_top_press(&desk.control, KEY_LEFT, true);
    ck_assert_int_eq(desk.view.at_ms, 997000);
    nv_top_press(&desk.control, KEY_RIGHT, true);
    ck_assert_int_eq(desk.view.at_ms, 0);
    stand_up(&desk);
}
END_TEST

START_TEST(sorting_by_key_is_for_the_panel_of_the_row)
{
    struct desk desk;

    sit_down(&desk, disks, 20);
    nv_top_press(&desk.control, 'm', false);
    ck_assert_int_eq(desk.view.sorts[NV_TOP_PANEL_GROUPS].column, NV_TOP_GROUPS_MEMORY);
    ck_assert_int_eq(desk.view.sorts[NV_TOP_PANEL_PROCESSES].column, NV_TOP_PROCESSES_MEMORY);
    nv_top_press(&desk.control, 's', false);
    ck_assert_int_eq(desk.view.sorts[NV_TOP_PANEL_GROUPS].column, 0);
    nv_top_press(&desk.control, 'j', false);
    for (int i = 0; i < 9; i++)
        nv_top_press(&desk.control, 's', false);
    ck_assert_int_eq(desk.view.sorts[NV_TOP_PANEL_DISKS].column, 4);
    nv_top_press(&desk.control, 'r', false);
    ck_assert(desk.view.sorts[NV_TOP_PANEL_DISKS].reversed);
    ck_assert(!desk.view.sorts[NV_TOP_PANEL_GROUPS].reversed);
    stand_up(&desk);
}
END_TEST

/* ---- alerts --------------------------------------------------------------------------------- */

START_TEST(alerts_show_their_state_since_when_and_their_labels)
{
    struct nv_top_view view = view_of();

    assert_drawn(VECTOR(SERIES(25, LABEL("alertname", "Later") LABEL("alertstate", "pending"),
                               "-1") "," SERIES(25,
                                                LABEL("alertname", "DiskFull") LABEL(
                                                    "alertstate", "firing") LABEL("device", "sda"),
                                                "125")),
                 &view, 60, true,
                 "1 firing\n"
                 "2026-01-02 03:00:00 UTC  live  span 5m  here\n"
                 "Alerts\n"
                 "firing 2m5s DiskFull device=sda\n"
                 "pending Later\n");
}
END_TEST

/* ---- processes ------------------------------------------------------------------------------ */

/* A /proc of our own; the name may be anything. */
static void write_stat(const char *proc, unsigned pid, const char *name, unsigned ticks,
                       unsigned start, unsigned pages)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%u", proc, pid);
    ck_assert(mkdir(path, 0755) == 0 || errno == EEXIST);
    snprintf(path, sizeof(path), "%s/%u/stat", proc, pid);
    FILE *file = fopen(path, "w");
    ck_assert(file);
    fprintf(file, "%u (%s) S 1 1 1 0 -1 0 1 2 3 4 %u 1 5 6 20 0 1 0 %u 4096 %u 99\n", pid, name,
            ticks - 1, start, pages);
    fclose(file);
}

static void assert_processes(struct nv_top_processes *processes, size_t column, bool reversed,
                             const char *expected)
{
    NV_AUTO_BUF text = NV_BUF(4096);
    size_t n;
    const struct nv_top_process *list =
        nv_top_processes_sort(processes, (struct nv_top_sort){(uint8_t)column, reversed}, &n);

    for (size_t i = 0; i < n; i++)
        nv_buf_printf(&text, "%s %.0f %.0f\n", list[i].name, list[i].cpu,
                      list[i].memory / (double)sysconf(_SC_PAGESIZE));
    ck_assert_str_eq(nv_buf_c_string(&text), expected);
}

START_TEST(processes_have_their_share_of_a_core_between_two_readings)
{
    char proc[] = "/tmp/test_top.XXXXXX", path[256];
    NV_AUTO(nv_top_processes) *processes = nv_top_processes_new();
    unsigned second = (unsigned)sysconf(_SC_CLK_TCK);

    ck_assert(processes && mkdtemp(proc));
    write_stat(proc, 1, "init", second / 10, 0, 30);
    write_stat(proc, 5, "big", second / 10, 0, 50);
    write_stat(proc, 20, "a) (b", second, 0, 20);
    write_stat(proc, 3, "reused", second / 20, 9 * second, 10);
    snprintf(path, sizeof(path), "%s/self", proc);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    nv_top_processes_read(processes, proc, 10000000000); /* since they began */
    assert_processes(processes, 3, false, "big 1 50\ninit 1 30\na) (b 10 20\nreused 5 10\n");

    write_stat(proc, 20, "a) (b", 2 * second, 0, 20);
    write_stat(proc, 3, "reused", second / 4, 11 * second, 10); /* began anew */
    write_stat(proc, 4, "new", second / 5, 11 * second, 1);
    nv_top_processes_read(processes, proc, 12000000000);
    assert_processes(processes, 2, false,
                     "a) (b 50 20\nreused 25 10\nnew 20 1\nbig 0 50\ninit 0 30\n");
    assert_processes(processes, 2, true,
                     "big 0 50\ninit 0 30\nnew 20 1\nreused 25 10\na) (b 50 20\n");
    assert_processes(processes, 0, false,
                     "a) (b 50 20\nbig 0 50\ninit 0 30\nnew 20 1\nreused 25 10\n");
    assert_processes(processes, 0, true,
                     "reused 25 10\nnew 20 1\ninit 0 30\nbig 0 50\na) (b 50 20\n");
    assert_processes(processes, 1, false,
                     "a) (b 50 20\nbig 0 50\nnew 20 1\nreused 25 10\ninit 0 30\n");
    assert_processes(processes, 1, true,
                     "init 0 30\nreused 25 10\nnew 20 1\nbig 0 50\na) (b 50 20\n");

    snprintf(path, sizeof(path), "rm -r %s", proc);
    ck_assert_int_eq(system(path), 0);
    nv_top_processes_read(processes, proc, 13000000000);
    assert_processes(processes, 2, false, "");
}
END_TEST

START_TEST(a_process_has_the_words_it_was_called_with)
{
    char proc[] = "/tmp/test_top.XXXXXX", path[256], command[NV_TOP_COMMAND_MAX];

    ck_assert(mkdtemp(proc));
    nv_top_processes_command(command, proc, 7); /* it has gone */
    ck_assert_str_eq(command, "");
    snprintf(path, sizeof(path), "%s/7", proc);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/7/cmdline", proc);
    FILE *file = fopen(path, "w");
    ck_assert(file && fwrite("cat\0a b\0c", 1, 10, file) == 10 && fclose(file) == 0);
    nv_top_processes_command(command, proc, 7);
    ck_assert_str_eq(command, "cat a b c");
    snprintf(path, sizeof(path), "rm -r %s", proc);
    ck_assert_int_eq(system(path), 0);
}
END_TEST

START_TEST(reading_processes_takes_a_two_hundredth_of_a_core)
{
    NV_AUTO(nv_top_processes) *processes = nv_top_processes_new();

    ck_assert(nv_top_processes_due(processes, 0));
    nv_top_processes_took(processes, 1000, 10);
    ck_assert(!nv_top_processes_due(processes, 2999));
    ck_assert(nv_top_processes_due(processes, 3000));
    nv_top_processes_took(processes, 0, INT64_MAX);
    ck_assert(nv_top_processes_due(processes, 10000000000));
}
END_TEST

START_TEST(processes_are_drawn_and_filtered)
{
    static const struct nv_top_process list[] = {
        {7, 12.5, 1048576, "one"    },
        {8, NAN,  2048,    "\033two"}
    };
    struct nv_top_view view = view_of();

    view.processes = list; /* in their order already */
    view.n_processes = NV_LEN(list);
    assert_drawn(VECTOR(""), &view, 46, true,
                 "nothing known at this time\n"
                 "2026-01-02 03:00:00 UTC  live  span 5m  here\n"
                 "Processes  name        pid      \u25becpu    memory\n"
                 "one                      7     12.5%   1.0 MiB\n"
                 "?two                     8         -   2.0 KiB\n");
    snprintf(view.filter, sizeof(view.filter), "two");
    assert_drawn(VECTOR(""), &view, 46, true,
                 "nothing known at this time\n"
                 "2026-01-02 03:00:00 UTC  live  span 5m  here\n"
                 "Processes  name        pid      \u25becpu    memory\n"
                 "?two                     8         -   2.0 KiB\n");
}
END_TEST

/* Only the agent of this node tells of this node's processes; behind a tunnel is another. */
START_TEST(processes_are_shown_of_this_node_alone)
{
    struct utsname name;
    NV_AUTO_BUF here = NV_BUF(1024);
    struct nv_top_source source = {.server = {.shown = "http://localhost:9100"}};

    ck_assert_int_eq(uname(&name), 0);
    nv_buf_printf(&here, VECTOR(SERIES(0, LABEL("nodename", "%s"), "1")), name.nodename);
    NV_AUTO(nv_top_data) *ours = data_of(nv_buf_c_string(&here));
    NV_AUTO(nv_top_data) *other =
        data_of(VECTOR(SERIES(0, LABEL("nodename", "an.other/node"), "1")));
    ck_assert(nv_top_is_here(&source, ours));
    ck_assert(!nv_top_is_here(&source, other));
    source.server.shown = "http://web-3:9100";
    ck_assert(!nv_top_is_here(&source, ours));
    source.server.shown = "unix:/run/agent";
    ck_assert(nv_top_is_here(&source, ours));
    source.folder = "/var/lib/nodevitals";
    ck_assert(!nv_top_is_here(&source, ours));
}
END_TEST

/* ---- sizes ---------------------------------------------------------------------------------- */

START_TEST(every_width_can_be_drawn)
{
    struct nv_top_view view = view_of();
    NV_AUTO(nv_top_data) *data = data_of(groups);

    for (size_t width = 1; width <= 400; width++) {
        NV_AUTO(nv_top_screen) *screen = nv_top_screen_new(width, 8, true);
        nv_top_draw(screen, data, &view);
        ck_assert_uint_eq(screen->used, 8);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("top");
    TCase *drawn = tcase_create("drawn");

    tcase_add_test(drawn, parts_have_the_numbers_of_this_test);
    tcase_add_test(drawn, an_empty_store_is_said_to_be_one);
    tcase_add_test(drawn, what_went_wrong_stands_in_the_header_above_what_is_kept);
    tcase_add_test(drawn, panels_leave_when_they_are_hidden);
    tcase_add_test(drawn, cores_stand_by_number_and_what_is_no_number_is_a_dash);
    tcase_add_loop_test(drawn, only_characters_of_one_place_reach_the_screen, 0, NV_LEN(texts));
    tcase_add_test(drawn, what_is_off_the_screen_is_left_out);
    tcase_add_test(drawn, two_values_share_a_place_of_braille);
    tcase_add_test(drawn, the_newest_values_stand_at_the_right_of_a_graph_in_ascii);
    tcase_add_test(drawn, a_bar_takes_its_share);
    tcase_add_test(drawn, the_path_of_a_group_makes_the_tree_and_siblings_are_sorted);
    tcase_add_test(drawn, a_flat_list_is_sorted_as_a_whole);
    tcase_add_test(drawn, pods_and_containers_have_their_names);
    tcase_add_test(drawn, what_is_below_a_folded_group_is_not_shown);
    tcase_add_test(drawn, a_filter_finds_names_paths_and_pods_and_shows_what_they_are_in);
    tcase_add_test(drawn, a_table_is_sorted_by_any_column_and_what_is_not_known_is_last);
    tcase_add_test(drawn, histories_of_devices_stand_beside_them_to_one_scale);
    tcase_add_test(drawn, a_click_on_a_head_sorts_and_another_turns_it_round);
    tcase_add_test(drawn, a_click_on_a_row_chooses_it_and_its_labels_stand_at_the_foot);
    tcase_add_test(drawn, a_click_on_a_group_folds_what_is_below_it_also_when_scrolled);
    tcase_add_test(drawn, a_click_on_a_title_shows_the_panel_alone_and_the_other_button_hides_it);
    tcase_add_test(drawn, keys_choose_one_row_after_another_and_keep_it_in_sight);
    tcase_add_test(drawn, steps_go_back_and_forth_and_end_at_what_is_live);
    tcase_add_test(drawn, sorting_by_key_is_for_the_panel_of_the_row);
    tcase_add_test(drawn, a_process_has_the_words_it_was_called_with);
    tcase_add_test(drawn, alerts_show_their_state_since_when_and_their_labels);
    tcase_add_test(drawn, processes_have_their_share_of_a_core_between_two_readings);
    tcase_add_test(drawn, reading_processes_takes_a_two_hundredth_of_a_core);
    tcase_add_test(drawn, processes_are_drawn_and_filtered);
    tcase_add_test(drawn, processes_are_shown_of_this_node_alone);
    tcase_add_test(drawn, every_width_can_be_drawn);
    suite_add_tcase(suite, drawn);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
