#include "places.h"

#include <nodevitals/pods.h>

enum { ID_LENGTH = 64, UID_MIN = 32, UID_MAX = 36 };

struct place {
    uint64_t hash;
    struct nv_str labels[NV_PLACE_LABELS];
    char *memory;
};

struct nv_places {
    struct place at[NV_PROBLEM_PLACES_MAX]; /* the first has no labels */
    unsigned n;
};

struct nv_places *nv_places_new(void)
{
    struct nv_places *places = calloc(1, sizeof(*places));

    if (!places)
        return NULL;
    for (size_t i = 0; i < NV_PLACE_LABELS; i++)
        places->at[0].labels[i] = NV_LIT("");
    places->n = 1;
    return places;
}

void nv_places_free(struct nv_places *places)
{
    if (!places)
        return;
    for (unsigned i = 0; i < places->n; i++)
        free(places->at[i].memory);
    free(places);
}

static bool keep(struct place *place, const struct nv_str *labels)
{
    size_t n = 1;

    for (size_t i = 0; i < NV_PLACE_LABELS; i++)
        n += labels[i].n;
    char *at = place->memory = malloc(n);
    if (!at)
        return false;
    for (size_t i = 0; i < NV_PLACE_LABELS; i++) {
        place->labels[i] = (struct nv_str){at, labels[i].n};
        for (size_t k = 0; k < labels[i].n;
             k++) /* a label is text, whatever a device calls itself */
            *at++ = labels[i].p[k] >= 0x20 && labels[i].p[k] < 0x7f ? labels[i].p[k] : '?';
    }
    return true;
}

unsigned nv_places_find(struct nv_places *places, const struct nv_str given[NV_PLACE_LABELS])
{
    struct nv_str labels[NV_PLACE_LABELS];
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    size_t length = 0;

    for (size_t i = 0; i < NV_PLACE_LABELS; i++) {
        size_t n = given[i].n;
        labels[i] = nv_str_from(given[i], n > NV_PLACE_VALUE_MAX ? n - NV_PLACE_VALUE_MAX : 0);
        length += labels[i].n;
        for (size_t k = 0; k <= labels[i].n; k++) {
            hash ^= k < labels[i].n ? (unsigned char)labels[i].p[k] : 0x100;
            hash *= UINT64_C(0x100000001b3);
        }
    }
    for (unsigned i = 1; i < places->n && length; i++)
        if (places->at[i].hash == hash)
            return i;
    if (!length || places->n == NV_PROBLEM_PLACES_MAX || !keep(&places->at[places->n], labels))
        return 0;
    places->at[places->n].hash = hash;
    return places->n++;
}

const struct nv_str *nv_places_at(const struct nv_places *places, unsigned place)
{
    return places->at[place].labels;
}

/* ---- cgroups -------------------------------------------------------------------------------- */

static bool is_hex(struct nv_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!nv_is_digit(s.p[i]) && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
            return false;
    return s.n > 0;
}

static struct nv_str without(struct nv_str s, const char *suffix)
{
    if (nv_str_ends(s, suffix))
        s.n -= strlen(suffix);
    return s;
}

/* The container's id in a part of a path: "<id>", "cri-containerd-<id>.scope", "libpod-<id>" ...; empty for none. */
static struct nv_str container_id(struct nv_str part)
{
    struct nv_str name = without(part, ".scope"), none = {NULL, 0};

    if (name.n < ID_LENGTH || nv_str_ends(part, ".mount") || nv_str_contains(part, "conmon"))
        return none;
    struct nv_str id = nv_str_from(name, name.n - ID_LENGTH);
    bool alone = name.n == ID_LENGTH || name.p[name.n - ID_LENGTH - 1] == '-';
    return alone && is_hex(id) ? id : none;
}

/* The pod's uid in a part: "pod<uid>", "kubepods-burstable-pod<uid_>.slice"; in memory of the pass; empty for none. */
static struct nv_str pod_uid(struct nv_pass *pass, struct nv_str part)
{
    struct nv_str name = without(part, ".slice"), none = {NULL, 0};
    size_t at = name.n;

    for (size_t i = 0; i + 3 <= name.n; i++)
        if (memcmp(name.p + i, "pod", 3) == 0 && (i == 0 || name.p[i - 1] == '-'))
            at = i + 3;
    struct nv_str uid = nv_str_from(name, at);
    if (uid.n < UID_MIN || uid.n > UID_MAX)
        return none;
    char *copy = nv_alloc(pass, uid.n);
    for (size_t i = 0; i < uid.n; i++) {
        copy[i] = uid.p[i] == '_' ? '-' : uid.p[i];
        if (copy[i] != '-' && !is_hex((struct nv_str){copy + i, 1}))
            return none;
    }
    return (struct nv_str){copy, uid.n};
}

static bool is_unit(struct nv_str part)
{
    return nv_str_ends(part, ".service") || nv_str_ends(part, ".scope") ||
           nv_str_ends(part, ".slice");
}

/* The kubelet's names for ids; the ids themselves where it knows none. */
static void name_ids(struct nv_pass *pass, struct nv_str uid, struct nv_str id,
                     struct nv_str labels[NV_PLACE_LABELS])
{
    const struct nv_pods *pods = nv_pods(pass);
    struct nv_pod_place place = {NULL, NULL};

    labels[NV_PLACE_POD] = uid;
    labels[NV_PLACE_CONTAINER] = id;
    if (pods && id.n && nv_pods_find_container(pods, id, &place))
        labels[NV_PLACE_CONTAINER] = place.container->name;
    if (pods && uid.n && !place.pod)
        place.pod = nv_pods_find_pod(pods, uid);
    if (place.pod) {
        labels[NV_PLACE_NAMESPACE] = place.pod->ns;
        labels[NV_PLACE_POD] = place.pod->name;
    }
    if (uid.n && (!place.pod || (id.n && !place.container)))
        nv_pods_wanted(pass);
}

void nv_place_of_cgroup(struct nv_pass *pass, struct nv_str path,
                        struct nv_str labels[NV_PLACE_LABELS])
{
    struct nv_str rest = path, uid = {NULL, 0}, id = {NULL, 0}, unit = {NULL, 0};

    labels[NV_PLACE_CGROUP] = path;
    while (rest.n) {
        struct nv_str part = nv_str_cut(&rest, '/'), found = container_id(part);
        if (found.n)
            id = found;
        found = pod_uid(pass, part);
        if (found.n)
            uid = found;
        if (is_unit(part))
            unit = part;
    }
    if (uid.n || id.n)
        name_ids(pass, uid, id, labels);
    else
        labels[NV_PLACE_UNIT] = unit;
}
