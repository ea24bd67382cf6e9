#include "agent/exposed.h"

#include "base/log.h"
#include "kube/jobs.h"

static const struct {
    const char *job, *name;
} renamed[] = {
    {NV_KUBE_CADVISOR_JOB, NV_WEB_CONTAINER},
    {NV_KUBE_RESOURCE_JOB, NV_WEB_RESOURCE },
};

static struct nv_str name_of(struct nv_str job)
{
    for (size_t i = 0; i < NV_LEN(renamed); i++) {
        if (nv_str_is(job, renamed[i].job))
            return nv_str(renamed[i].name);
    }
    return job;
}

/* A job may be called `container` in the configuration: then it is one, too. */
static bool has(void *user, struct nv_str name)
{
    struct nv_scrape *scrape = nv_scraping_get(user);
    bool found = scrape && nv_scrape_exposes(scrape, name);

    for (size_t i = 0; scrape && !found && i < NV_LEN(renamed); i++)
        found =
            nv_str_is(name, renamed[i].name) && nv_scrape_exposes(scrape, nv_str(renamed[i].job));
    return found;
}

struct taker {
    void (*each)(void *to, struct nv_str name, struct nv_frame *frame);
    void *to;
};

static int pass_on(void *user, struct nv_str job, struct nv_frame *frame)
{
    const struct taker *taker = user;

    taker->each(taker->to, name_of(job), frame);
    return 0;
}

static void each(void *user, void (*one)(void *to, struct nv_str name, struct nv_frame *frame),
                 void *to)
{
    struct nv_scrape *scrape = nv_scraping_get(user);
    struct taker taker = {one, to};
    int r = scrape ? nv_scrape_exposed(scrape, NV_LIT(""), pass_on, &taker) : 0;

    if (r < 0)
        (void)nv_log_err(r, "what targets expose is left out of an answer");
}

struct nv_web_exposed nv_exposed(struct nv_scraping *scraping)
{
    return (struct nv_web_exposed){has, each, scraping};
}
