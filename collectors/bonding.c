/*
 * bonding - how many interfaces a bond has, and how many of them are up.
 *
 * Sources: the names in sys/class/net/bonding_masters, for each <bond>/bonding/slaves, and for each of
 * those <bond>/lower_<slave>/bonding_slave/mii_status (slave_<slave> on older kernels).
 */
#include <nodevitals/sysfs.h>

static const struct nv_family columns[] = {
    {"node_bonding_slaves", NV_GAUGE, NV_AS_IS, "Interfaces that belong to the bond."     },
    {"node_bonding_active", NV_GAUGE, NV_AS_IS, "Interfaces of the bond whose link is up."},
};

static const struct nv_table bonds = {NV_LABELS("master"), columns, NV_LEN(columns)};

struct bond {
    struct nv_str name;
    uint64_t values[NV_LEN(columns)];
};

static int read_status(struct nv_pass *pass, struct nv_str bond, struct nv_str slave,
                       struct nv_str *ret)
{
    int r = nv_attribute(pass, ret, "sys/class/net/%.*s/lower_%.*s/bonding_slave/mii_status",
                         NV_ARGS(bond), NV_ARGS(slave));

    if (r == -ENOENT)
        r = nv_attribute(pass, ret, "sys/class/net/%.*s/slave_%.*s/bonding_slave/mii_status",
                         NV_ARGS(bond), NV_ARGS(slave));
    return r;
}

static int read_bond(struct nv_pass *pass, struct bond *bond)
{
    char path[NV_PATH_MAX];
    struct nv_str text, status;

    nv_path(path, "sys/class/net/%.*s/bonding/slaves", NV_ARGS(bond->name));
    int r = nv_read(pass, path, &text);
    if (r < 0)
        return r;
    struct nv_scan slaves = nv_scan(text);
    while (!nv_scan_done(&slaves)) {
        r = read_status(pass, bond->name, nv_scan_word(&slaves), &status);
        if (r < 0)
            return r;
        bond->values[0]++;
        bond->values[1] += nv_str_is(status, "up");
    }
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct nv_scan masters = nv_pass_text(pass, 0);
    size_t n = 0, max = nv_scan_rest(&masters).n / 2 + 1; /* a name and a blank take two bytes */
    struct bond *bond = nv_alloc(pass, max * sizeof(*bond));

    while (n < max && !nv_scan_done(&masters)) {
        bond[n] = (struct bond){.name = nv_scan_word(&masters)};
        int r = read_bond(pass, &bond[n]);
        if (r == -ENOENT)
            return NV_NO_DATA;
        if (r < 0)
            return nv_error(pass, r, "cannot read the bond %.*s", NV_ARGS(bond[n].name));
        n++;
    }
    for (size_t i = 0; i < n; i++)
        nv_emit_row(pass, &bonds, &bond[i].name, bond[i].values, NV_LEN(columns));
    return 0;
}

NV_COLLECTOR(bonding) = {
    NV_ABI_STAMP,
    .name = "bonding",
    .summary = "Interfaces of bonds, and how many are up.",
    .options = NV_ABSENT_IS_NO_DATA,
    .sources = NV_SOURCES("sys/class/net/bonding_masters"),
    .tables = NV_TABLES(&bonds),
    .collect = collect,
};
