/*
 * runtime.c - names and images of containers that are no pod's, by the files their runtimes keep.
 *
 *   Docker   root/var/lib/docker/containers/<id>/config.v2.json: Name ("/web"), Config.Image
 *   Podman   root/var/lib/containers/storage/DRIVER-containers/containers.json, DRIVER that of the storage: a list of id,
 *            names, metadata, the last a text of JSON with "image-name". Of containers of users it is in their homes,
 *            which we leave alone
 *
 * Both are for root. Where they cannot be read the name is the id.
 */
#include <nodevitals/json.h>

#include "label.h"

static struct nv_str text_of(struct nv_pass *pass, struct nv_json *json)
{
    struct nv_str raw = nv_json_text(json);
    char *out = nv_alloc(pass, raw.n + 1);

    return nv_json_unescape(raw, out, raw.n + 1);
}

static void read_config(struct nv_pass *pass, struct nv_json *json, struct nv_str *ret_image)
{
    struct nv_str key;

    if (nv_json_kind(json) != NV_JSON_OBJECT) {
        nv_json_skip(json);
        return;
    }
    nv_json_object(json);
    while (nv_json_key(json, &key)) {
        if (nv_json_key_is(key, "Image") && nv_json_kind(json) == NV_JSON_TEXT)
            *ret_image = text_of(pass, json);
        else
            nv_json_skip(json);
    }
}

bool nv_cg_docker_label(struct nv_pass *pass, const struct nv_cg *cgroup, struct nv_cg_said *said)
{
    char path[NV_PATH_MAX];
    struct nv_str text, key;

    nv_path(path, "root/var/lib/docker/containers/%.*s/config.v2.json", NV_ARGS(cgroup->is.key));
    if (nv_read(pass, path, &text) < 0)
        return false;
    struct nv_json json = nv_json(text);
    nv_json_object(&json);
    while (nv_json_key(&json, &key)) {
        if (nv_json_key_is(key, "Name") && nv_json_kind(&json) == NV_JSON_TEXT)
            said->name = text_of(pass, &json);
        else if (nv_json_key_is(key, "Config"))
            read_config(pass, &json, &said->image);
        else
            nv_json_skip(&json);
    }
    if (nv_str_starts(said->name, "/"))
        said->name = nv_str_from(said->name, 1);
    return said->name.n > 0;
}

static struct nv_str image_in(struct nv_pass *pass, struct nv_str metadata)
{
    struct nv_json json = nv_json(metadata);
    struct nv_str key, image = NV_LIT("");

    nv_json_object(&json);
    while (nv_json_key(&json, &key)) {
        if (nv_json_key_is(key, "image-name") && nv_json_kind(&json) == NV_JSON_TEXT)
            image = text_of(pass, &json);
        else
            nv_json_skip(&json);
    }
    return image;
}

/* The first of a list of names. */
static struct nv_str first_name(struct nv_pass *pass, struct nv_json *json)
{
    struct nv_str name = NV_LIT("");

    if (nv_json_kind(json) != NV_JSON_ARRAY) {
        nv_json_skip(json);
        return name;
    }
    nv_json_array(json);
    while (nv_json_item(json)) {
        if (!name.n && nv_json_kind(json) == NV_JSON_TEXT)
            name = text_of(pass, json);
        else
            nv_json_skip(json);
    }
    return name;
}

static bool read_podman(struct nv_pass *pass, struct nv_json *json, struct nv_str id,
                        struct nv_cg_said *said)
{
    struct nv_str key, metadata = NV_LIT(""), name = NV_LIT("");
    bool is_it = false;

    nv_json_object(json);
    while (nv_json_key(json, &key)) {
        bool is_text = nv_json_kind(json) == NV_JSON_TEXT;
        if (nv_json_key_is(key, "id") && is_text)
            is_it = nv_str_eq(nv_json_text(json), id);
        else if (nv_json_key_is(key, "names"))
            name = first_name(pass, json);
        else if (nv_json_key_is(key, "metadata") && is_text)
            metadata = text_of(pass, json);
        else
            nv_json_skip(json);
    }
    if (!is_it)
        return false;
    said->name = name;
    said->image = image_in(pass, metadata);
    return true;
}

static bool search_podman(struct nv_pass *pass, const char *driver, struct nv_str id,
                          struct nv_cg_said *said)
{
    char path[NV_PATH_MAX];
    struct nv_str text;

    nv_path(path, "root/var/lib/containers/storage/%s-containers/containers.json", driver);
    if (nv_read(pass, path, &text) < 0)
        return false;
    struct nv_json json = nv_json(text);
    nv_json_array(&json);
    while (nv_json_item(&json)) {
        if (nv_json_kind(&json) != NV_JSON_OBJECT)
            nv_json_skip(&json);
        else if (read_podman(pass, &json, id, said))
            return said->name.n > 0;
    }
    return false;
}

static bool ask_podman(struct nv_pass *pass, const struct nv_cg *cgroup, struct nv_cg_said *said)
{
    static const char *const drivers[] = {"overlay", "vfs", "btrfs", "zfs"};

    for (size_t i = 0; i < NV_LEN(drivers); i++)
        if (search_podman(pass, drivers[i], cgroup->is.key, said))
            return true;
    return false;
}

void nv_cg_runtime_label(struct nv_pass *pass, const struct nv_cg *cgroup, struct nv_cg_said *said)
{
    uint8_t runtime = cgroup->is.runtime;

    if ((runtime == NV_CG_DOCKER || runtime == NV_CG_BARE) &&
        nv_cg_docker_label(pass, cgroup, said))
        return;
    if (runtime == NV_CG_PODMAN && ask_podman(pass, cgroup, said))
        return;
    said->name = cgroup->is.key;
}
