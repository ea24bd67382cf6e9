/*
 * mdadm - software RAID.
 *
 * Sources:
 *   /proc/mdstat     an array is a line that is not indented, such as
 *                      md6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]
 *                    then its size and, but for striped and linear ones, disks required and active:
 *                      195310144 blocks [2/1] [U_]
 *                    perhaps a line about its bitmap, and one about a synchronization under way:
 *                      [=>...]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec
 *                    or one put off: resync=PENDING, resync=DELAYED. One array that cannot be read is a
 *                    failure of all.
 *   sys/block/md<N>/md  level, raid_disks ("4 (3)" while reshaping) and, where the level has redundancy,
 *                    degraded
 *
 * A reshaping or broken array has every state at 0, as in node_exporter. Other files of the array, among
 * them the uuid that only recent kernels have, are not asked for: nothing of them is exposed.
 */
#include <nodevitals/sysfs.h>

static const struct nv_family block_columns[] = {
    {"node_md_disks_required", NV_GAUGE, NV_AS_IS, "Disks the array is made for."         },
    {"node_md_blocks",         NV_GAUGE, NV_AS_IS, "Blocks of the array."                 },
    {"node_md_blocks_synced",  NV_GAUGE, NV_AS_IS, "Blocks of the array that are in sync."},
};
static const struct nv_family disk_columns[] = {
    {"node_md_disks", NV_GAUGE, NV_AS_IS, "Disks of the array, by state."},
};
static const struct nv_family state_columns[] = {
    {"node_md_state", NV_GAUGE, NV_AS_IS, "State the array is in, 1 for one of them."},
};
static const struct nv_family raid_columns[] = {
    {"node_md_raid_disks", NV_GAUGE, NV_AS_IS, "Disks that take part in the array."},
};
static const struct nv_family degraded_columns[] = {
    {"node_md_degraded", NV_GAUGE, NV_AS_IS, "Disks that the array lacks."},
};

static const struct nv_table blocks = {NV_LABELS("device"), block_columns, NV_LEN(block_columns)};
static const struct nv_table disks = {NV_LABELS("device", "state"), disk_columns, 1};
static const struct nv_table states = {NV_LABELS("device", "state"), state_columns, 1};
static const struct nv_table raids = {NV_LABELS("device"), raid_columns, 1};
static const struct nv_table degradeds = {NV_LABELS("device"), degraded_columns, 1};

enum state { ACTIVE, INACTIVE, RECOVERING, RESYNC, CHECK, N_STATES, OTHER = N_STATES };
static const char *const state_names[N_STATES] = {
    "active", "inactive", "recovering", "resync", "check",
};

/* What a synchronization line may hold, the first that occurs counts. */
static const struct {
    const char *word;
    enum state state;
} syncs[] = {
    {"recovery", RECOVERING},
    {"reshape",  OTHER     },
    {"check",    CHECK     },
    {"resync",   RESYNC    },
};

struct array {
    struct nv_str device;
    uint64_t active, failed, spare, blocks[NV_LEN(block_columns)];
    enum state state;
};
enum { REQUIRED, SIZE, SYNCED }; /* in blocks[] */

static size_t count(struct nv_str text, const char *what)
{
    size_t n = 0;
    const char *at;

    while (text.n && (at = memmem(text.p, text.n, what, strlen(what)))) {
        text = nv_str_from(text, (size_t)(at - text.p) + strlen(what));
        n++;
    }
    return n;
}

/* What follows the first `mark`; empty where it does not occur. */
static struct nv_str after(struct nv_str text, const char *mark)
{
    const char *at = text.n ? memmem(text.p, text.n, mark, strlen(mark)) : NULL;

    return at ? nv_str_from(text, (size_t)(at - text.p) + strlen(mark)) : (struct nv_str){NULL, 0};
}

/* Finds "[n/m] [U_]" on the line of the size. */
static bool parse_disks(struct nv_str line, struct array *array)
{
    for (struct nv_str rest = after(line, " blocks "); rest.n;) {
        struct nv_str pair = rest = after(rest, "[");
        struct nv_str inside = nv_str_cut(&pair, ']');
        struct nv_str required = nv_str_cut(&inside, '/');

        if (inside.n && nv_is_digit(inside.p[0]) && nv_str_starts(pair, " [") &&
            nv_str_to_u64(required, &array->blocks[REQUIRED]) &&
            nv_str_to_u64(inside, &array->active))
            return true;
    }
    return false;
}

static bool parse_status(struct nv_str head, struct nv_str line, struct array *array)
{
    struct nv_scan scan = nv_scan(line);

    array->blocks[SIZE] = array->blocks[SYNCED] = nv_scan_u64(&scan);
    if (scan.failed)
        return false;
    if (nv_str_contains(head, "raid0") || nv_str_contains(head, "linear")) {
        array->blocks[REQUIRED] = array->active = count(head, "[");
        return true;
    }
    if (nv_str_contains(head, "inactive")) {
        array->blocks[REQUIRED] = array->active = 0;
        return true;
    }
    return parse_disks(line, array);
}

/* Takes state and synced blocks from a line about a synchronization; other lines are no matter. */
static bool parse_sync(struct nv_str line, struct array *array)
{
    for (size_t i = 0; i < NV_LEN(syncs); i++) {
        if (!nv_str_contains(line, syncs[i].word))
            continue;
        array->state = syncs[i].state;
        array->blocks[SYNCED] = 0;
        if (nv_str_contains(line, "PENDING") || nv_str_contains(line, "DELAYED"))
            return true;

        struct nv_str total = after(line, "("), synced;
        total = nv_str_cut(&total, ')');
        synced = nv_str_cut(&total, '/');
        uint64_t ignored;
        return nv_str_to_u64(synced, &array->blocks[SYNCED]) && nv_str_to_u64(total, &ignored);
    }
    return true;
}

static enum state state_of(struct nv_str word)
{
    return nv_str_is(word, "active") ? ACTIVE : nv_str_is(word, "inactive") ? INACTIVE : OTHER;
}

static struct nv_str next_line(struct nv_scan *file)
{
    struct nv_scan line;

    return nv_scan_line(file, &line) ? nv_scan_rest(&line) : (struct nv_str){NULL, 0};
}

/* Reads the array that begins with the line `head`. The lines below are looked at, not taken. */
static bool parse_array(struct nv_str head, struct nv_scan below, struct array *ret)
{
    struct nv_scan scan = nv_scan(head);

    ret->device = nv_scan_word(&scan);
    nv_scan_skip(&scan, 1);
    ret->state = state_of(nv_scan_word(&scan));
    ret->failed = count(head, "(F)");
    ret->spare = count(head, "(S)");
    if (scan.failed || !parse_status(head, next_line(&below), ret))
        return false;

    struct nv_str sync = next_line(&below);
    if (nv_str_contains(sync, "bitmap"))
        sync = next_line(&below);
    return parse_sync(sync, ret);
}

static void emit_array(struct nv_pass *pass, const struct array *array)
{
    const struct nv_str device = array->device;

    nv_emit_row(pass, &blocks, &device, array->blocks, NV_LEN(block_columns));
    nv_emit_row(pass, &disks, (struct nv_str[]){device, NV_LIT("active")}, &array->active, 1);
    nv_emit_row(pass, &disks, (struct nv_str[]){device, NV_LIT("failed")}, &array->failed, 1);
    nv_emit_row(pass, &disks, (struct nv_str[]){device, NV_LIT("spare")}, &array->spare, 1);
    for (size_t i = 0; i < N_STATES; i++)
        nv_emit_u64(pass, &states, (struct nv_str[]){device, nv_str(state_names[i])}, 0,
                    i == array->state);
}

static int collect_mdstat(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;

    while (nv_scan_line(&file, &line)) {
        struct nv_str head = nv_scan_rest(&line);
        struct array array;

        if (nv_scan_done(&line) || head.p[0] == ' ' || nv_str_starts(head, "Personalities") ||
            nv_str_starts(head, "unused"))
            continue;
        if (!parse_array(head, file, &array))
            return nv_error(pass, -EBADMSG, "cannot read the array \"%.*s\"",
                            head.n > 100 ? 100 : (int)head.n, head.p);
        emit_array(pass, &array);
    }
    return 0;
}

static bool is_redundant(struct nv_str level)
{
    return nv_str_is(level, "raid1") || nv_str_is(level, "raid4") || nv_str_is(level, "raid5") ||
           nv_str_is(level, "raid6") || nv_str_is(level, "raid10");
}

static int emit_raid(struct nv_pass *pass, struct nv_str device)
{
    struct nv_str level, text;
    uint64_t degraded = 0, raid_disks;
    int r = nv_attribute(pass, &level, "sys/block/%.*s/md/level", NV_ARGS(device));

    if (r == 0 && is_redundant(level))
        r = nv_attribute_u64(pass, &degraded, "sys/block/%.*s/md/degraded", NV_ARGS(device));
    if (r < 0)
        return r;
    nv_emit_row(pass, &degradeds, &device, &degraded, 1);
    if (!level.n || nv_str_is(level, "container") || nv_str_is(level, "imsm") ||
        nv_str_is(level, "ddf"))
        return 0;

    r = nv_attribute(pass, &text, "sys/block/%.*s/md/raid_disks", NV_ARGS(device));
    if (r < 0)
        return r;
    if (!nv_str_to_u64(nv_str_cut(&text, ' '), &raid_disks))
        return nv_error(pass, -EBADMSG, "%.*s: raid_disks is no number", NV_ARGS(device));
    nv_emit_row(pass, &raids, &device, &raid_disks, 1);
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    int r = collect_mdstat(pass);

    if (r == 0)
        r = nv_list(pass, "sys/block", &names);
    if (r < 0)
        return r == -ENOENT ? 0 : r;

    bool missing = false;
    for (size_t i = 0; i < names.n; i++) {
        unsigned mode;
        char path[NV_PATH_MAX];

        if (!nv_str_starts(names.at[i], "md"))
            continue;
        nv_path(path, "sys/block/%.*s/md", NV_ARGS(names.at[i]));
        if (nv_stat(pass, path, &mode, NULL) < 0)
            continue;
        r = emit_raid(pass, names.at[i]);
        if (r < 0 && r != -ENOENT)
            return r;
        missing = missing || r == -ENOENT;
    }
    return missing ? NV_NO_DATA : 0;
}

NV_COLLECTOR(mdadm) = {
    NV_ABI_STAMP,
    .name = "mdadm",
    .summary = "Software RAID.",
    .options = NV_ABSENT_IS_NO_DATA,
    .sources = NV_SOURCES("proc/mdstat"),
    .tables = NV_TABLES(&blocks, &disks, &states, &raids, &degradeds),
    .collect = collect,
};
