#include "support/machine.h"

#include <check.h>
#include <limits.h>

#include "agent/options.h"
#include "expo/expo.h"
#include "gather/gather.h"
#include "support/pods.h"

enum { TEXT_MAX = 256 << 20, FLAGS_MAX = 16 };

struct nv_machine {
    struct nv_options *options;
    struct nv_gather *gather;
    char root[PATH_MAX], paths[4][PATH_MAX];
    char *text;
};

struct nv_machine *nv_machine_new(const struct nv_collector *collector, const char *root,
                                  const char *const *flags)
{
    static const char *const folders[] = {"proc", "sys", "root", "udev"};
    const struct nv_collector *const list[] = {collector, NULL};
    const char *argv[FLAGS_MAX + 1];
    struct nv_machine *machine = calloc(1, sizeof(*machine));
    char on[64], state[PATH_MAX], error[NV_GATHER_ERROR_MAX];
    int argc = 0;

    snprintf(machine->root, PATH_MAX, "%s", root);
    for (size_t i = 0; i < NV_LEN(folders); i++)
        snprintf(machine->paths[i], PATH_MAX, "%s/%s", root, folders[i]);
    snprintf(on, sizeof(on), "--collector.%s", collector->name);
    argv[argc++] = on;
    for (size_t i = 0; flags && flags[i] && i < FLAGS_MAX; i++)
        argv[argc++] = flags[i];
    machine->options = nv_options_new("nodevitals", "");
    if (nv_options_parse(machine->options, list, argc, argv) != 0)
        ck_abort_msg("flags of %s: %s", collector->name, machine->options->error);

    const struct nv_gather_options options = {.procfs = machine->paths[0],
                                              .sysfs = machine->paths[1],
                                              .rootfs = machine->paths[2],
                                              .udev = machine->paths[3],
                                              .parse_text = nv_expo_parse_text,
                                              .pods = nv_test_pods(machine->root)};
    machine->gather = nv_gather_new(&options);
    ck_assert_ptr_nonnull(machine->gather);
    snprintf(state, sizeof(state), "%s/state", root);
    ck_assert_int_eq(nv_gather_keep_states(machine->gather, state), 0);
    for (size_t i = 0; i < machine->options->n_collectors; i++)
        if (machine->options->collectors[i].collector == collector)
            ck_assert_int_eq(nv_gather_add(machine->gather, collector, NV_GATHER_NODE,
                                           machine->options->collectors[i].values),
                             0);
    if (nv_gather_start(machine->gather, error) < 0)
        ck_abort_msg("%s", error);
    return machine;
}

void nv_machine_free(struct nv_machine *machine)
{
    nv_gather_free(machine->gather);
    nv_options_free(machine->options);
    free(machine->text);
    free(machine);
}

const char *nv_machine_pass(struct nv_machine *machine, int64_t timeout_ms)
{
    const struct nv_gather_selection all = {0};
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);
    NV_AUTO(nv_frame) *frame = NULL;

    ck_assert_int_eq(nv_gather_pass(machine->gather, &all, timeout_ms, &frame), 0);
    nv_expo_write(frame, (struct nv_expo_choice){NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES}, NULL,
                  0, &text);
    ck_assert_int_eq(text.failed, 0);
    free(machine->text);
    machine->text = strdup(nv_buf_c_string(&text));
    return machine->text;
}
