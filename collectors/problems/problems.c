#include "inside.h"

enum {
    EVENTS_MAX = NV_PROBLEM_PLACES_MAX + NV_PROBLEM_REASONS_MAX,
    RECENT_MAX = 16, /* events whose later lines are known */
    NOTES_MAX = 8,   /* processes about to be killed */
    PID_MAX = 16,
    LINKS_MAX = 32, /* that went down lately */
    FLAP_TIMES = 3, /* within */
    SECOND_US = 1000000,
    NOTE_US = 5 * SECOND_US, /* how long a note without a process id is good for */
    WORDS = NV_LITERAL_IDS_MAX / 64,
};
#define FLAP_US (UINT64_C(300) * SECOND_US)

static const struct nv_family event_columns[] = {
    {"node_problem_events_total", NV_COUNTER, NV_AS_IS,
     "Problems seen in a log, by what they befell; pod and container by name, or by id where the "
     "kubelet told none."},
};
static const struct nv_family suppressed_columns[] = {
    {"node_problem_suppressed_total", NV_COUNTER, NV_AS_IS,
     "Problems seen and not counted, since there were too many of one rule in one second."},
};
const struct nv_table nv_problem_events = {
    NV_LABELS("source", "reason", "device", "cgroup", "namespace", "pod", "container", "unit"),
    event_columns, 1};
const struct nv_table nv_problem_suppressed = {NV_LABELS("source"), suppressed_columns, 1};

struct event {
    int reason;
    unsigned place;
    uint64_t times;
};

struct recent {
    int reason;
    uint64_t unit; /* hash */
    uint64_t stamp_us;
};

/* A process, and the cgroup that is said to be out of memory. */
struct note {
    char pid[PID_MAX], cgroup[NV_PLACE_VALUE_MAX + 1]; /* pid "" where the line has none */
    uint64_t stamp_us;
    bool used, of_all; /* of_all: good for more than one process */
};

struct link {
    char device[NV_PROBLEM_NAME_MAX];
    uint64_t downs_us[FLAP_TIMES]; /* the newest first */
};

struct nv_problem_counts {
    struct event events[EVENTS_MAX];
    size_t n_events;
    uint64_t suppressed;
    uint64_t counted[2 * NV_PROBLEM_REASONS_MAX /
                     64]; /* reasons that the present line has counted for */
    struct recent recent[RECENT_MAX];
    size_t n_recent;
    struct note notes[NOTES_MAX];
    size_t n_notes;
    struct link links[LINKS_MAX];
    int flap; /* the line of LinkFlap in the book, or negative */
    bool changed;
};

/* ---- life ----------------------------------------------------------------------------------- */

struct nv_problems *nv_problems_new(struct nv_pass *pass, const char *source, unsigned side)
{
    struct nv_problems *problems = calloc(1, sizeof(*problems));

    if (!problems)
        return NULL;
    problems->host = pass->host;
    problems->source = source;
    problems->side = side;
    problems->book = nv_problem_book(pass);
    problems->rules = calloc(NV_PROBLEM_RULES_MAX, sizeof(*problems->rules));
    problems->literals = nv_literals_new();
    problems->places = nv_places_new();
    problems->counts = calloc(1, sizeof(*problems->counts));
    if (!problems->book || !problems->rules || !problems->literals || !problems->places ||
        !problems->counts) {
        nv_problems_free(problems);
        return NULL;
    }
    problems->counts->flap = -1;
    return problems;
}

static void file_free(struct nv_problem_file *file)
{
    for (size_t i = 0; i < file->n_lines; i++)
        free(file->lines[i].p);
    free(file);
}

void nv_problems_free(struct nv_problems *problems)
{
    if (!problems)
        return;
    for (size_t i = 0; i < problems->n_rules; i++)
        problems->host->regex_free(problems->rules[i].regex);
    for (size_t i = 0; i < problems->n_files; i++)
        file_free(problems->files[i]);
    for (struct nv_problem_memory *at = problems->memory, *next; at; at = next) {
        next = at->next;
        free(at);
    }
    free(problems->rules);
    nv_literals_free(problems->literals);
    nv_places_free(problems->places);
    free(problems->counts);
    free(problems);
}

void *nv_problems_keep(struct nv_problems *problems, size_t size)
{
    struct nv_problem_memory *memory = malloc(sizeof(*memory) + size);

    if (!memory)
        return NULL;
    memory->next = problems->memory;
    problems->memory = memory;
    return memory->bytes;
}

/* The type of the first rule with a condition; -1 for none. */
static int find_condition(const struct nv_problems *problems, struct nv_str condition)
{
    for (size_t i = 0; i < problems->n_rules; i++) {
        const struct nv_problem_rule *rule = problems->rules[i].rule;
        if (rule->condition && nv_str_is(condition, rule->condition))
            return problems->rules[i].type;
    }
    return -1;
}

int nv_problems_add_rule(struct nv_problems *problems, const struct nv_problem_rule *rule,
                         struct nv_problem_file *file, struct nv_regex *regex)
{
    int reason = nv_problem_book_reason(problems->book, problems->side, rule->reason), type = -1;

    if (problems->n_rules == NV_PROBLEM_RULES_MAX)
        return -E2BIG;
    if (reason >= 0 && rule->condition)
        type = nv_problem_book_condition(problems->book, problems->side, rule->condition,
                                         rule->reason);
    if (reason < 0 || (rule->condition && type < 0))
        return -E2BIG;
    if (rule->options & NV_RULE_FLAPS)
        problems->counts->flap = nv_problem_book_reason(problems->book, problems->side, "LinkFlap");
    int first = rule->condition ? find_condition(problems, nv_str(rule->condition)) : -1;
    problems->rules[problems->n_rules++] = (struct nv_rule_at_work){
        .rule = rule,
        .file = file,
        .identifier = rule->identifier,
        .regex = regex,
        .reason = reason,
        .type = type,
        .condition = first >= 0 ? first : type,
    };
    if (!file)
        problems->first_of_files = problems->n_rules;
    return 0;
}

int nv_problems_add(struct nv_problems *problems, const struct nv_problem_rule *rules, size_t n,
                    const char *identifier)
{
    for (size_t i = 0; i < n; i++) {
        int r = nv_problems_add_rule(problems, &rules[i], NULL, NULL);
        if (r < 0)
            return r;
        if (identifier)
            problems->rules[problems->n_rules - 1].identifier = identifier;
    }
    return 0;
}

int nv_problems_ready(struct nv_problems *problems)
{
    for (size_t i = 0; i < problems->n_rules; i++) {
        struct nv_rule_at_work *at_work = &problems->rules[i];
        struct nv_str rest = {NULL, 0};

        if (at_work->rule->literals)
            rest = nv_str(at_work->rule->literals);
        at_work->always = !rest.n;
        while (rest.n) {
            int r = nv_literals_add(problems->literals, nv_str_cut(&rest, '|'), (unsigned)i);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

const char *nv_problems_identifier(const struct nv_problems *problems, size_t i, bool *ret_any)
{
    *ret_any = false;
    for (size_t k = 0; k < problems->n_files; k++)
        *ret_any = *ret_any || !problems->files[k]->identifier;
    return i < problems->n_files ? problems->files[i]->identifier : NULL;
}

/* ---- what was seen lately ------------------------------------------------------------------- */

static uint64_t hash(struct nv_str s)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (size_t i = 0; i < s.n; i++) {
        value ^= (unsigned char)s.p[i];
        value *= UINT64_C(0x100000001b3);
    }
    return value;
}

/* Whether the reason was seen within a second before, of the same unit where the log names units. */
static bool was_seen(const struct nv_problem_counts *counts, int reason,
                     const struct nv_problem_line *line)
{
    for (size_t i = 0; i < counts->n_recent && i < RECENT_MAX; i++) {
        const struct recent *recent = &counts->recent[i];
        if (recent->reason == reason && recent->unit == hash(line->unit) &&
            line->stamp_us - recent->stamp_us <= SECOND_US)
            return true;
    }
    return false;
}

static void remember_seen(struct nv_problem_counts *counts, int reason,
                          const struct nv_problem_line *line)
{
    counts->recent[counts->n_recent++ % RECENT_MAX] =
        (struct recent){reason, hash(line->unit), line->stamp_us};
}

static void copy_text(char *out, size_t size, struct nv_str text)
{
    struct nv_str end = nv_str_from(text, text.n >= size ? text.n - size + 1 : 0);

    if (end.n)
        memcpy(out, end.p, end.n);
    out[end.n] = '\0';
}

static void take_note(struct nv_problem_counts *counts, struct nv_str cgroup, struct nv_str pid,
                      bool of_all, uint64_t stamp_us)
{
    struct note *note = &counts->notes[counts->n_notes++ % NOTES_MAX];

    note->stamp_us = stamp_us;
    note->used = false;
    note->of_all = of_all;
    copy_text(note->cgroup, sizeof(note->cgroup), cgroup);
    copy_text(note->pid, sizeof(note->pid), pid);
}

/* The cgroup that was noted for a process; "" for none. */
static struct nv_str find_note(struct nv_problem_counts *counts, struct nv_str pid,
                               uint64_t stamp_us)
{
    struct note *found = NULL;

    for (size_t i = 0; i < counts->n_notes && i < NOTES_MAX; i++) {
        struct note *note = &counts->notes[i];
        bool fits = note->pid[0] ? nv_str_is(pid, note->pid) : stamp_us - note->stamp_us <= NOTE_US;
        if (fits && !note->used && (!found || note->stamp_us >= found->stamp_us))
            found = note;
    }
    if (!found)
        return NV_LIT("");
    found->used = !found->of_all;
    return nv_str(found->cgroup);
}

/* Whether this is the third time in five minutes that a link goes down. Then it is forgotten. */
static bool flaps(struct nv_problem_counts *counts, struct nv_str device, uint64_t stamp_us)
{
    struct link *link = &counts->links[0];

    for (size_t i = 0; i < LINKS_MAX; i++) {
        struct link *other = &counts->links[i];
        if (device.n < sizeof(other->device) && nv_str_is(device, other->device)) {
            link = other;
            break;
        }
        if (other->downs_us[0] < link->downs_us[0])
            link = other;
    }
    if (!nv_str_is(device, link->device)) {
        *link = (struct link){.device = ""};
        copy_text(link->device, sizeof(link->device), device);
    }
    memmove(&link->downs_us[1], &link->downs_us[0], sizeof(link->downs_us) - sizeof(uint64_t));
    link->downs_us[0] = stamp_us ? stamp_us : 1;
    uint64_t first_us = link->downs_us[FLAP_TIMES - 1];
    if (!first_us || stamp_us - first_us > FLAP_US)
        return false;
    *link = (struct link){.device = ""};
    return true;
}

/* ---- counting ------------------------------------------------------------------------------- */

static void count_event(struct nv_problem_counts *counts, int reason, unsigned place)
{
    size_t i = 0;

    if (counts->n_events >= NV_PROBLEM_PLACES_MAX) { /* of a new pair only the reason */
        while (i < counts->n_events &&
               (counts->events[i].reason != reason || counts->events[i].place != place))
            i++;
        place = i < counts->n_events ? place : 0;
    }
    for (i = 0; i < counts->n_events; i++) {
        if (counts->events[i].reason == reason && counts->events[i].place == place) {
            counts->events[i].times++;
            return;
        }
    }
    if (counts->n_events < EVENTS_MAX)
        counts->events[counts->n_events++] = (struct event){reason, place, 1};
}

/* What a match says of where it is. */
struct where_found {
    struct nv_str device, cgroup, unit, pid;
};

/* What the groups of a rule found. */
static struct nv_str group(const struct nv_problem_rule *rule, const struct nv_str *spans, size_t n,
                           char what)
{
    const char *groups = rule->groups ? rule->groups : "";

    for (size_t i = 0; groups[i] && i + 1 < n; i++)
        if (groups[i] == what && spans[i + 1].n)
            return spans[i + 1];
    return (struct nv_str){"", 0};
}

static unsigned find_place(struct nv_pass *pass, struct nv_problems *problems, struct nv_str device,
                           struct nv_str cgroup, struct nv_str unit)
{
    struct nv_str labels[NV_PLACE_LABELS];

    for (size_t i = 0; i < NV_PLACE_LABELS; i++)
        labels[i] = (struct nv_str){"", 0};
    if (cgroup.n)
        nv_place_of_cgroup(pass, cgroup, labels);
    labels[NV_PLACE_DEVICE] = device;
    if (unit.n)
        labels[NV_PLACE_UNIT] = unit;
    return nv_places_find(problems->places, labels);
}

/* Whether a rule has matched too often in this second of the log. */
static bool is_too_much(struct nv_rule_at_work *at_work, uint64_t stamp_us)
{
    uint64_t second = stamp_us / SECOND_US;

    if (at_work->second != second) {
        at_work->second = second;
        at_work->in_second = 0;
    }
    return ++at_work->in_second > NV_PROBLEM_RATE;
}

/* A condition is so. Returns whether its device had it not before. */
static bool begin_condition(struct nv_problems *problems, const struct nv_rule_at_work *at_work,
                            struct nv_str device, int64_t time_ms)
{
    unsigned type = (unsigned)at_work->condition, reason = (unsigned)at_work->reason;
    const struct nv_condition *now = nv_conditions_now(&problems->conditions, type);
    bool other = !now || now->reason != reason;

    if (!nv_conditions_set(&problems->conditions, type, reason, device, time_ms))
        return false;
    if (other)
        nv_problem_book_count(problems->book, problems->side, at_work->reason);
    return true;
}

/* Whether a match is to count: once for a line, once for an event of several lines, and not too often in a second. */
static bool is_to_count(struct nv_problem_counts *counts, struct nv_rule_at_work *at_work,
                        const struct nv_problem_line *line)
{
    uint64_t *word = &counts->counted[at_work->reason / 64];
    uint64_t bit = UINT64_C(1) << at_work->reason % 64;

    if (*word & bit)
        return false;
    *word |= bit;
    bool later =
        (at_work->rule->options & NV_RULE_LATER_LINE) && was_seen(counts, at_work->reason, line);
    remember_seen(counts, at_work->reason, line);
    if (later)
        return false;
    bool too_much = is_too_much(at_work, line->stamp_us);
    counts->suppressed += too_much;
    return !too_much;
}

/* Counts where a problem is, and whether a link of that name flaps. */
static void count_place(struct nv_pass *pass, struct nv_problems *problems,
                        const struct nv_rule_at_work *at_work, const struct nv_problem_line *line,
                        const struct where_found *found)
{
    struct nv_problem_counts *counts = problems->counts;
    struct nv_str cgroup = found->cgroup;

    if (found->pid.n)
        cgroup = find_note(counts, found->pid, line->stamp_us);
    unsigned place = find_place(pass, problems, found->device, cgroup.n ? cgroup : line->cgroup,
                                found->unit.n ? found->unit : line->unit);
    count_event(counts, at_work->reason, place);
    if ((at_work->rule->options & NV_RULE_FLAPS) && counts->flap >= 0 &&
        flaps(counts, found->device, line->stamp_us)) {
        nv_problem_book_count(problems->book, problems->side, counts->flap);
        count_event(counts, counts->flap, place);
    }
}

/* A rule matched. */
static void act(struct nv_pass *pass, struct nv_problems *problems, struct nv_rule_at_work *at_work,
                const struct nv_problem_line *line, const struct nv_str *spans, size_t n)
{
    struct nv_problem_counts *counts = problems->counts;
    const struct nv_problem_rule *rule = at_work->rule;
    struct where_found found = {
        .device = group(rule, spans, n, 'd'),
        .cgroup = group(rule, spans, n, 'c'),
        .unit = group(rule, spans, n, 'u'),
        .pid = group(rule, spans, n, 'p'),
    };

    if (rule->options & NV_RULE_NOTES) {
        struct nv_str of_all = group(rule, spans, n, 'g');
        take_note(counts, of_all.n ? of_all : found.cgroup, found.pid, of_all.n > 0,
                  line->stamp_us);
        return;
    }
    if (!found.device.n)
        found.device = line->device;
    if (rule->options & NV_RULE_ENDS) {
        counts->changed |=
            nv_conditions_end(&problems->conditions, (unsigned)at_work->condition, found.device);
        return;
    }
    if (!is_to_count(counts, at_work, line))
        return;
    counts->changed = true;
    if (!rule->condition)
        nv_problem_book_count(problems->book, problems->side, at_work->reason);
    else if (!begin_condition(problems, at_work, found.device, line->time_ms))
        return;
    count_place(pass, problems, at_work, line, &found);
}

/* ---- lines ---------------------------------------------------------------------------------- */

static bool is_wanted(const char *wanted, struct nv_str text)
{
    return !wanted || nv_str_is(text, wanted);
}

/* Whether a rule is for such lines at all. */
static bool applies(const struct nv_rule_at_work *at_work, const struct nv_problem_line *line)
{
    const struct nv_problem_rule *rule = at_work->rule;

    return (!(rule->options & NV_RULE_TRUSTED) || line->trusted) && is_wanted(rule->id, line->id) &&
           is_wanted(at_work->identifier, line->identifier) && is_wanted(rule->unit, line->unit);
}

/* Returns how many spans the rule's expression has in a text: 0 where it does not match. */
static size_t match(struct nv_pass *pass, struct nv_rule_at_work *at_work, struct nv_str text,
                    struct nv_str spans[NV_RULE_GROUPS_MAX])
{
    const struct nv_problem_rule *rule = at_work->rule;

    spans[0] = text;
    if (!rule->pattern)
        return 1;
    if (!at_work->regex && nv_regex_compile(pass, nv_str(rule->pattern), &at_work->regex) < 0)
        return 0; /* for want of memory: a test compiles them all */
    if (rule->groups)
        return pass->host->regex_groups(at_work->regex, text, spans, NV_RULE_GROUPS_MAX);
    return pass->host->match(at_work->regex, text);
}

static void see_built_in(struct nv_pass *pass, struct nv_problems *problems,
                         const struct nv_problem_line *line, const uint64_t *found)
{
    struct nv_str spans[NV_RULE_GROUPS_MAX];

    for (size_t i = 0; i < problems->first_of_files; i++) {
        struct nv_rule_at_work *at_work = &problems->rules[i];
        bool possible = at_work->always || (found[i / 64] >> i % 64 & 1);
        if (!possible || !applies(at_work, line))
            continue;
        size_t n = match(pass, at_work, line->text, spans);
        if (n)
            act(pass, problems, at_work, line, spans, n);
    }
}

/* Takes a line into a file's buffer; a line that grew takes its own place. False where it cannot. */
static bool keep_line(struct nv_problem_file *file, const struct nv_problem_line *line,
                      struct nv_str text)
{
    if (!line->continued || !file->n_seen)
        file->n_seen++;
    size_t at = (file->n_seen - 1) % file->n_lines;
    if (file->lines[at].size < text.n) {
        char *grown = realloc(file->lines[at].p, text.n);
        if (!grown) {
            file->lines[at].n = 0;
            return false;
        }
        file->lines[at].p = grown;
        file->lines[at].size = text.n;
    }
    memcpy(file->lines[at].p, text.p, text.n);
    file->lines[at].n = text.n;
    return true;
}

/* The buffer's lines, the oldest first, with newlines between, in memory of the pass. */
static struct nv_str join_lines(struct nv_pass *pass, const struct nv_problem_file *file)
{
    size_t total = 0, n = 0;
    uint64_t first = file->n_seen > file->n_lines ? file->n_seen - file->n_lines : 0;

    for (uint64_t i = first; i < file->n_seen; i++)
        total += file->lines[i % file->n_lines].n + 1;
    char *text = nv_alloc(pass, total + 1);
    for (uint64_t i = first; i < file->n_seen; i++) {
        if (i > first)
            text[n++] = '\n';
        size_t at = i % file->n_lines;
        if (file->lines[at].n)
            memcpy(text + n, file->lines[at].p, file->lines[at].n);
        n += file->lines[at].n;
    }
    return (struct nv_str){text, n};
}

/* The rules of a file: the pattern is searched for in the last lines together, and reaches their end. A literal of it may
 * be in any of them. */
static void see_by_file(struct nv_pass *pass, struct nv_problems *problems,
                        struct nv_problem_file *file, const struct nv_problem_line *line,
                        const uint64_t *found)
{
    struct nv_str text = nv_str_trim(line->text), spans[NV_RULE_GROUPS_MAX], joined = {NULL, 0};

    if (!text.n || !is_wanted(file->identifier, line->identifier) || !keep_line(file, line, text))
        return;
    for (size_t i = problems->first_of_files; i < problems->n_rules; i++) {
        struct nv_rule_at_work *at_work = &problems->rules[i];
        if (at_work->file != file)
            continue;
        if (found[i / 64] >> i % 64 & 1)
            at_work->literal_seen = file->n_seen;
        bool possible = at_work->always || (at_work->literal_seen &&
                                            file->n_seen - at_work->literal_seen < file->n_lines);
        if (!possible)
            continue;
        if (!joined.p)
            joined = join_lines(pass, file);
        size_t n = match(pass, at_work, joined, spans);
        if (n)
            act(pass, problems, at_work, line, spans, n);
    }
}

bool nv_problems_see(struct nv_pass *pass, struct nv_problems *problems,
                     const struct nv_problem_line *line)
{
    struct nv_problem_counts *counts = problems->counts;
    uint64_t found[WORDS] = {0};

    if (!line->continued)
        memset(counts->counted, 0, sizeof(counts->counted));
    counts->changed = false;
    nv_literals_find(problems->literals, line->text, found);
    see_built_in(pass, problems, line, found);
    for (size_t i = 0; i < problems->n_files; i++)
        see_by_file(pass, problems, problems->files[i], line, found);
    return counts->changed;
}

void nv_problems_age(struct nv_problems *problems, int64_t now_ms, int64_t timeout_ms)
{
    if (timeout_ms > 0)
        nv_conditions_age(&problems->conditions, now_ms - timeout_ms);
}

/* ---- out ------------------------------------------------------------------------------------ */

static void show_conditions(struct nv_problems *problems)
{
    for (size_t i = 0; i < problems->n_rules; i++) {
        const struct nv_rule_at_work *at_work = &problems->rules[i];
        if (!at_work->rule->condition)
            continue;
        const struct nv_condition *now =
            nv_conditions_now(&problems->conditions, (unsigned)at_work->condition);
        nv_problem_book_set(problems->book, problems->side, at_work->type,
                            now && now->reason == (unsigned)at_work->reason);
    }
}

void nv_problems_emit(struct nv_pass *pass, struct nv_problems *problems)
{
    const struct nv_problem_counts *counts = problems->counts;
    struct nv_str labels[2 + NV_PLACE_LABELS];

    show_conditions(problems);
    nv_problem_book_emit(pass, problems->book, problems->side);
    labels[0] = nv_str(problems->source);
    nv_emit_u64(pass, &nv_problem_suppressed, labels, 0, counts->suppressed);
    for (size_t i = 0; i < counts->n_events; i++) {
        const struct event *event = &counts->events[i];
        labels[1] = nv_str(nv_problem_book_name(problems->book, event->reason));
        memcpy(&labels[2], nv_places_at(problems->places, event->place),
               NV_PLACE_LABELS * sizeof(*labels));
        nv_emit_u64(pass, &nv_problem_events, labels, 0, event->times);
    }
}

/* ---- keeping -------------------------------------------------------------------------------- */

size_t nv_problems_write(const struct nv_problems *problems, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < problems->conditions.n; i++) {
        const struct nv_condition *condition = &problems->conditions.at[i];
        const char *type = "";
        for (size_t k = 0; k < problems->n_rules; k++)
            if (problems->rules[k].type == (int)condition->type)
                type = problems->rules[k].rule->condition;
        int wrote = snprintf(out + n, size - n, "condition\t%s\t%s\t%s\t%lld\t%lld\n", type,
                             nv_problem_book_name(problems->book, (int)condition->reason),
                             condition->device, (long long)condition->since_ms,
                             (long long)condition->heard_ms);
        if (wrote < 0 || (size_t)wrote >= size - n)
            break;
        n += (size_t)wrote;
    }
    return n;
}

void nv_problems_read(struct nv_problems *problems, struct nv_str line)
{
    struct nv_str word = nv_str_cut(&line, '\t'), type = nv_str_cut(&line, '\t');
    struct nv_str reason = nv_str_cut(&line, '\t'), device = nv_str_cut(&line, '\t');
    struct nv_str since = nv_str_cut(&line, '\t');
    int64_t since_ms, heard_ms;

    if (!nv_str_is(word, "condition") || !nv_str_to_i64(since, &since_ms) ||
        !nv_str_to_i64(line, &heard_ms))
        return;
    for (size_t i = 0; i < problems->n_rules; i++) {
        const struct nv_problem_rule *rule = problems->rules[i].rule;
        if (!rule->condition || !nv_str_is(type, rule->condition) ||
            !nv_str_is(reason, rule->reason))
            continue;
        unsigned known = (unsigned)problems->rules[i].condition;
        nv_conditions_set(&problems->conditions, known, (unsigned)problems->rules[i].reason, device,
                          since_ms);
        nv_conditions_set(&problems->conditions, known, (unsigned)problems->rules[i].reason, device,
                          heard_ms);
        return;
    }
}
