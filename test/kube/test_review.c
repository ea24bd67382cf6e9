/*
 * test_review.c - reviews of tokens and rights, with an API server that is slow, away, or lies.
 */
#include "kube/review.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

#include "base/cond.h"
#include "kube/review_cache.h"
#include "kube/review_text.h"
#include "support/fixture.h"
#include "support/http_server.h"

enum { LONG_MS = 30000, ASKS_MAX = 1200 };

/* ---- the API server ----------------------------------------------------------------------------- */

static struct {
    enum mood { GOOD, STALLS, HELD, BROKEN, FORBIDS, PICKY, LIES } mood;
    const char *lie;
    unsigned token_reviews, access_reviews;
    char last[16384]; /* the last SubjectAccessReview */
} now;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct nv_http_server *server;

static enum mood mood_now(void)
{
    pthread_mutex_lock(&lock);
    enum mood mood = now.mood;
    pthread_mutex_unlock(&lock);
    return mood;
}

static void set_mood(enum mood mood)
{
    pthread_mutex_lock(&lock);
    now.mood = mood;
    pthread_mutex_unlock(&lock);
}

/* Tokens good, good-2 ... are users good, good-2 ...; those of "mean" may nothing. */
static void review_token(const char *request, struct nv_buf *out)
{
    char body[512];
    const char *token = strstr(request, "\"token\":\"");
    int n = token ? (int)strcspn(token + 9, "\"") : 0;

    ck_assert_ptr_nonnull(strstr(request, "POST /apis/authentication.k8s.io/v1/tokenreviews "));
    if (token && (strncmp(token + 9, "good", 4) == 0 || strncmp(token + 9, "mean", 4) == 0))
        snprintf(body, sizeof(body),
                 "{\"kind\":\"TokenReview\",\"spec\":{\"token\":\"x\"},\"status\":{"
                 "\"authenticated\":true,"
                 "\"user\":{\"username\":\"%.*s\",\"uid\":\"7\",\"groups\":[\"a\",\"b\"],\"extra\":"
                 "{\"k\":[\"v\"]}},"
                 "\"audiences\":[\"api\",\"mine\"]}}",
                 n, token + 9);
    else
        snprintf(body, sizeof(body),
                 "{\"kind\":\"TokenReview\",\"status\":{\"error\":\"no\",\"user\":{}}}");
    nv_http_server_answer(out, 201, "application/json", body);
}

static void review_access(const char *request, struct nv_buf *out)
{
    const char *body = strstr(request, "\r\n\r\n");
    bool mean = strstr(request, "\"user\":\"mean"), path = strstr(request, "\"path\":\"/metrics\"");

    snprintf(now.last, sizeof(now.last), "%s", body ? body + 4 : "");
    nv_http_server_answer(out, 201, "application/json",
                          !mean && path
                              ? "{\"kind\":\"SubjectAccessReview\",\"status\":{\"allowed\":true}}"
                              : "{\"kind\":\"SubjectAccessReview\",\"status\":{\"allowed\":false,"
                                "\"reason\":\"no RBAC\"}}");
}

static enum nv_http_server_then answer(const char *request, struct nv_buf *out, void *user)
{
    bool token = strstr(request, "/tokenreviews ");
    enum mood mood = mood_now();

    (void)user;
    for (int i = 0; i < LONG_MS && mood == HELD; i++, mood = mood_now())
        usleep(1000);
    pthread_mutex_lock(&lock);
    now.token_reviews += token;
    now.access_reviews += !token;
    if (mood == BROKEN)
        nv_http_server_answer(out, 500, "text/plain", "etcd is gone");
    else if (mood == FORBIDS)
        nv_http_server_answer(out, 403, "application/json", "{\"kind\":\"Status\"}");
    else if (mood == PICKY && !strstr(request, "Authorization: Bearer renewed\r\n")) {
        nv_write_file(nv_temp_dir(), "token", "renewed");
        nv_http_server_answer(out, 401, "text/plain", "Unauthorized");
    } else if (mood == LIES)
        nv_http_server_answer(out, 201, "application/json", now.lie);
    else if (token)
        review_token(request, out);
    else
        review_access(request, out);
    pthread_mutex_unlock(&lock);
    return mood == STALLS ? (nv_buf_reset(out), NV_HTTP_SERVER_STALL) : NV_HTTP_SERVER_KEEP;
}

/* ---- who asks ----------------------------------------------------------------------------------- */

static struct nv_review *review;
static struct nv_review_options options;
static char token_file[512];

struct client {
    struct nv_review_ask ask;
    bool done;
};
static struct client clients[ASKS_MAX];
static pthread_cond_t told;

static void on_done(struct nv_review_ask *ask)
{
    struct client *client = (struct client *)(void *)ask;

    pthread_mutex_lock(&lock);
    client->done = true;
    pthread_cond_broadcast(&told);
    pthread_mutex_unlock(&lock);
}

static bool is_done(const struct client *client)
{
    pthread_mutex_lock(&lock);
    bool done = client->done;
    pthread_mutex_unlock(&lock);
    return done;
}

/* True where the verdict is there at once. */
static bool begin_ask(struct client *client, const char *token, const char *path)
{
    *client = (struct client){
        .ask = {.path = nv_str(path), .verb = NV_LIT("get"), .done = on_done}
    };
    bool at_once = nv_review_token(review, &client->ask, nv_str(token));
    if (at_once)
        client->done = true;
    return at_once;
}

static enum nv_review_verdict await(struct client *client)
{
    int64_t until_ns = nv_monotonic_ns() + LONG_MS * INT64_C(1000000);

    pthread_mutex_lock(&lock);
    while (!client->done)
        ck_assert_int_eq(nv_cond_wait_until(&told, &lock, until_ns), 0);
    pthread_mutex_unlock(&lock);
    return client->ask.verdict;
}

static enum nv_review_verdict ask(const char *token, const char *path)
{
    (void)!begin_ask(&clients[0], token, path);
    return await(&clients[0]);
}

static void begin(void)
{
    char error[NV_REVIEW_ERROR_MAX] = "";

    memset(&now, 0, sizeof(now));
    nv_cond_init(&told);
    server = nv_http_server_start(answer, NULL);
    nv_write_file(nv_temp_dir(), "token", "ours");
    snprintf(token_file, sizeof(token_file), "%s/token", nv_temp_dir());
    options.url = nv_http_server_url(server);
    options.token_file = token_file;
    ck_assert_msg(nv_review_new(&options, &review, error) == 0, "%s", error);
}

static void end(void)
{
    set_mood(GOOD);
    nv_review_free(review);
    nv_http_server_stop(server);
    options = (struct nv_review_options){0};
}

/* Anew with other options. */
static void restart(void)
{
    struct nv_review_options kept = options;

    end();
    options = kept;
    begin();
}

/* ---- good days ---------------------------------------------------------------------------------- */

START_TEST(who_may_passes_and_who_may_not_is_told_why)
{
    ck_assert_int_eq(ask("good", "/metrics"), NV_REVIEW_ALLOWED);
    ck_assert_str_eq(
        now.last,
        "{\"kind\":\"SubjectAccessReview\",\"apiVersion\":\"authorization.k8s.io/v1\",\"spec\":"
        "{\"nonResourceAttributes\":{\"path\":\"/metrics\",\"verb\":\"get\"},\"user\":\"good\","
        "\"uid\":\"7\",\"groups\":[\"a\",\"b\"],\"extra\":{\"k\":[\"v\"]}}}");
    ck_assert_int_eq(ask("good", "/other"), NV_REVIEW_DENIED);
    ck_assert_str_eq(clients[0].ask.said, "Forbidden: user \"good\" may not get /other\n");
    ck_assert_int_eq(ask("mean", "/metrics"), NV_REVIEW_DENIED);
    ck_assert_int_eq(ask("bad", "/metrics"), NV_REVIEW_NOBODY);
    ck_assert_str_eq(clients[0].ask.said, "Unauthorized\n");
}
END_TEST

START_TEST(what_is_known_is_not_asked_again)
{
    static const char *const tokens[] = {"good", "mean", "bad"};

    for (size_t i = 0; i < NV_LEN(tokens); i++)
        (void)!ask(tokens[i], "/metrics");
    for (size_t i = 0; i < NV_LEN(tokens); i++)
        ck_assert(begin_ask(&clients[i], tokens[i], "/metrics"));
    ck_assert_int_eq(clients[0].ask.verdict, NV_REVIEW_ALLOWED);
    ck_assert_int_eq(clients[1].ask.verdict, NV_REVIEW_DENIED);
    ck_assert_int_eq(clients[2].ask.verdict, NV_REVIEW_NOBODY);
    ck_assert_uint_eq(now.token_reviews, 3);
    ck_assert_uint_eq(now.access_reviews, 2);
    ck_assert_int_eq(ask("good", "/other"), NV_REVIEW_DENIED); /* who it is is known still */
    ck_assert_uint_eq(now.token_reviews, 3);
}
END_TEST

START_TEST(what_is_too_old_is_asked_again)
{
    options.who_ms = options.yes_ms = options.no_ms = 1;
    restart();
    ck_assert_int_eq(ask("good", "/metrics"), NV_REVIEW_ALLOWED);
    usleep(5000);
    ck_assert(!begin_ask(&clients[0], "good", "/metrics"));
    ck_assert_int_eq(await(&clients[0]), NV_REVIEW_ALLOWED);
    ck_assert_uint_eq(now.token_reviews, 2);
    ck_assert_uint_eq(now.access_reviews, 2);
}
END_TEST

START_TEST(those_who_bring_one_token_at_once_share_its_review)
{
    set_mood(HELD);
    for (size_t i = 0; i < 100; i++)
        ck_assert(!begin_ask(&clients[i], "good", i % 2 ? "/metrics" : "/other"));
    set_mood(GOOD);
    for (size_t i = 0; i < 100; i++)
        ck_assert_int_eq(await(&clients[i]), i % 2 ? NV_REVIEW_ALLOWED : NV_REVIEW_DENIED);
    ck_assert_uint_eq(now.token_reviews, 1);
    ck_assert_uint_eq(now.access_reviews, 2);
}
END_TEST

START_TEST(a_person_of_a_certificate_is_asked_about_by_name_and_groups)
{
    static const struct nv_str groups[] = {NV_LIT("system:masters"), NV_LIT("a \"b\"")};

    for (int i = 0; i < 2; i++) {
        clients[0] = (struct client){
            .ask = {.path = NV_LIT("/metrics"), .verb = NV_LIT("get"), .done = on_done}
        };
        bool at_once = nv_review_person(review, &clients[0].ask, NV_LIT("admin"), groups, 2);
        ck_assert(at_once == (i == 1));
        if (at_once)
            clients[0].done = true;
        ck_assert_int_eq(await(&clients[0]), NV_REVIEW_ALLOWED);
    }
    ck_assert_ptr_nonnull(
        strstr(now.last, "},\"user\":\"admin\",\"groups\":[\"system:masters\",\"a \\\"b\\\"\"]}}"));
    ck_assert_uint_eq(now.token_reviews, 0);
    ck_assert_uint_eq(now.access_reviews, 1);
}
END_TEST

START_TEST(a_token_for_other_audiences_is_nobodys)
{
    static const struct nv_str mine[] = {NV_LIT("mine")}, others[] = {NV_LIT("others")};

    options.audiences = mine;
    options.n_audiences = 1;
    restart();
    ck_assert_int_eq(ask("good", "/metrics"), NV_REVIEW_ALLOWED);
    options.audiences = others;
    restart();
    ck_assert_int_eq(ask("good", "/metrics"), NV_REVIEW_NOBODY);
}
END_TEST

START_TEST(our_own_token_is_read_again_when_it_is_refused)
{
    set_mood(PICKY);
    ck_assert_int_eq(ask("good", "/metrics"), NV_REVIEW_ALLOWED);
}
END_TEST

/* ---- bad days ----------------------------------------------------------------------------------- */

START_TEST(without_an_api_server_what_is_known_serves_and_nothing_else)
{
    static const enum mood moods[] = {STALLS, BROKEN, FORBIDS};
    struct nv_review_stats stats;

    options.call_ms = 300;
    restart();
    ck_assert_int_eq(ask("good", "/metrics"), NV_REVIEW_ALLOWED);
    set_mood(moods[_i]);
    ck_assert_int_eq(ask("good-2", "/metrics"), NV_REVIEW_AWAY);
    ck_assert_ptr_nonnull(strstr(clients[0].ask.said, "Service Unavailable"));
    ck_assert(begin_ask(&clients[1], "good", "/metrics"));
    ck_assert_int_eq(clients[1].ask.verdict, NV_REVIEW_ALLOWED);
    ck_assert_int_eq(ask("good", "/other"), NV_REVIEW_AWAY); /* his right to that is not known */
    nv_review_stats(review, &stats);
    ck_assert_uint_ge(stats.failures, 1);
    ck_assert_uint_eq(stats.verdicts[NV_REVIEW_AWAY], 2);

    set_mood(GOOD);
    for (int i = 0; i < LONG_MS && ask("good-2", "/metrics") == NV_REVIEW_AWAY; i++)
        usleep(1000);
    ck_assert_int_eq(clients[0].ask.verdict, NV_REVIEW_ALLOWED);
}
END_TEST

START_TEST(nobody_listening_is_told_soon)
{
    nv_review_free(review);
    options.url = "http://127.0.0.1:1";
    char error[NV_REVIEW_ERROR_MAX];
    ck_assert_int_eq(nv_review_new(&options, &review, error), 0);
    ck_assert_int_eq(ask("good", "/metrics"), NV_REVIEW_AWAY);
}
END_TEST

static const char *const lies[] = {
    "",
    "{}",
    "[]",
    "null",
    "{\"kind\":\"TokenReview\"}",
    "{\"kind\":\"TokenReview\",\"status\":{\"authenticated\":\"true\",\"user\":{\"username\":"
    "\"root\"}}}",
    "{\"kind\":\"TokenReview\",\"status\":{\"authenticated\":true}}",
    "{\"kind\":\"TokenReview\",\"status\":{\"authenticated\":true,\"user\":{\"username\":\"\"}}}",
    "{\"kind\":\"TokenReview\",\"status\":{\"authenticated\":true,\"user\":{\"username\":7}}}",
    "{\"kind\":\"TokenReview\",\"status\":{\"authenticated\":true,\"user\":{\"username\":\"a\","
    "\"groups\":\"g\"}}}",
    "{\"kind\":\"TokenReview\",\"status\":{\"authenticated\":true,\"user\":{\"username\":\"a\","
    "\"groups\":[1]}}}",
    "{\"kind\":\"TokenReview\",\"status\":{\"authenticated\":true,\"user\":{\"username\":\"a\","
    "\"extra\":[]}}}",
    "{\"kind\":\"TokenReview\",\"status\":{\"authenticated\":true,\"user\":{\"username\":\"a\"}}",
    "{\"kind\":\"TokenReview\",\"status\":{\"authenticated\":true,\"user\":{\"username\":\"a\"}}} "
    "x",
    "{\"kind\":\"SubjectAccessReview\",\"status\":{\"authenticated\":true,\"user\":{\"username\":"
    "\"a\"}}}",
    "{\"kind\":\"Status\",\"status\":\"Success\"}",
};

START_TEST(an_answer_that_is_none_lets_nobody_pass)
{
    pthread_mutex_lock(&lock);
    now.lie = lies[_i];
    now.mood = LIES;
    pthread_mutex_unlock(&lock);
    ck_assert_int_eq(ask("good", "/metrics"), NV_REVIEW_AWAY);
}
END_TEST

START_TEST(an_endless_answer_is_not_read_to_its_end)
{
    char *long_lie = malloc(1 << 20);

    memset(long_lie, ' ', 1 << 20);
    long_lie[(1 << 20) - 1] = '\0';
    pthread_mutex_lock(&lock);
    now.lie = long_lie;
    now.mood = LIES;
    pthread_mutex_unlock(&lock);
    ck_assert_int_eq(ask("good", "/metrics"), NV_REVIEW_AWAY);
    set_mood(GOOD);
    ck_assert_int_eq(ask("good", "/metrics"),
                     NV_REVIEW_ALLOWED); /* one bad answer stops no other question */
    free(long_lie);
}
END_TEST

/* More tokens than there is room for: the rest is sent away at once, and all are told something. */
START_TEST(a_thousand_tokens_at_once_are_bounded)
{
    unsigned verdicts[NV_REVIEW_VERDICTS] = {0};
    char token[32];

    set_mood(HELD);
    for (size_t i = 0; i < 1000; i++) {
        snprintf(token, sizeof(token), "good-%zu", i);
        bool at_once = begin_ask(&clients[i], token, "/metrics");
        ck_assert(at_once == (i >= NV_REVIEW_TOKENS_MAX));
    }
    set_mood(GOOD);
    for (size_t i = 0; i < 1000; i++)
        verdicts[await(&clients[i])]++;
    ck_assert_uint_eq(verdicts[NV_REVIEW_ALLOWED], NV_REVIEW_TOKENS_MAX);
    ck_assert_uint_eq(verdicts[NV_REVIEW_AWAY], 1000 - NV_REVIEW_TOKENS_MAX);
}
END_TEST

START_TEST(who_waits_for_one_token_is_bounded_too)
{
    size_t waiting = 0;

    set_mood(HELD);
    for (size_t i = 0; i < ASKS_MAX; i++)
        waiting += !begin_ask(&clients[i], "good", "/metrics");
    ck_assert_uint_eq(waiting, NV_REVIEW_WAITING_MAX);
    set_mood(GOOD);
    for (size_t i = 0; i < ASKS_MAX; i++)
        (void)!await(&clients[i]);
}
END_TEST

START_TEST(a_stop_tells_everybody_who_waits)
{
    char token[32];

    set_mood(STALLS);
    for (size_t i = 0; i < 20; i++) {
        snprintf(token, sizeof(token), "good-%zu", i);
        ck_assert(!begin_ask(&clients[i], token, "/metrics"));
    }
    nv_review_stop(review);
    for (size_t i = 0; i < 20; i++) {
        ck_assert(is_done(&clients[i]));
        ck_assert_int_eq(clients[i].ask.verdict, NV_REVIEW_AWAY);
    }
    ck_assert(begin_ask(&clients[0], "good", "/metrics"));
    ck_assert_int_eq(clients[0].ask.verdict, NV_REVIEW_AWAY);
}
END_TEST

START_TEST(what_cannot_be_a_token_is_nobodys_without_a_question)
{
    static char long_one[NV_REVIEW_TOKEN_MAX + 2];
    static const char *const tokens[] = {"", "a b", "a\nb", "\x7f", "\xc3\xa4", long_one};

    memset(long_one, 'a', sizeof(long_one) - 1);
    for (size_t i = 0; i < NV_LEN(tokens); i++) {
        ck_assert(begin_ask(&clients[0], tokens[i], "/metrics"));
        ck_assert_int_eq(clients[0].ask.verdict, NV_REVIEW_NOBODY);
    }
    ck_assert_uint_eq(now.token_reviews, 0);
}
END_TEST

START_TEST(without_an_address_there_is_an_error)
{
    struct nv_review *made = NULL;
    char error[NV_REVIEW_ERROR_MAX] = "";
    const struct nv_review_options none = {0}, odd = {.url = "ftp://x"};

    unsetenv("KUBERNETES_SERVICE_HOST");
    ck_assert_int_eq(nv_review_new(&none, &made, error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error, "KUBERNETES_SERVICE_HOST"));
    ck_assert_int_eq(nv_review_new(&odd, &made, error), -EINVAL);
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    ck_assert_int_eq(nv_review_new(&none, &made, error), 0);
    nv_review_free(made);
    unsetenv("KUBERNETES_SERVICE_HOST");
}
END_TEST

/* ---- the cache ---------------------------------------------------------------------------------- */

START_TEST(guesses_push_out_guesses)
{
    static struct nv_review_cache cache;
    struct nv_review_digest known =
                                {
                                    {5, 0, 1}
    },
                            guess = {{5, 0, 2}};

    nv_review_cache_put(&cache, &known, true, NULL, 1, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        guess.at[3] = (uint8_t)i;
        guess.at[4] = (uint8_t)(i >> 8);
        nv_review_cache_put(&cache, &guess, false, NULL, 2 + i, 1000);
    }
    ck_assert_ptr_nonnull(nv_review_cache_find(&cache, &known, 5000));
    ck_assert_ptr_nonnull(nv_review_cache_find(&cache, &guess, 5000));
    ck_assert_ptr_null(nv_review_cache_find(&cache, &known, 1 + 1000 * 1000000));
    nv_review_cache_clear(&cache);
    ck_assert_ptr_null(nv_review_cache_find(&cache, &known, 5000));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kube/review");
    TCase *good = tcase_create("good days"), *bad = tcase_create("bad days"),
          *cache = tcase_create("cache");

    tcase_add_checked_fixture(good, begin, end);
    tcase_add_checked_fixture(bad, begin, end);
    tcase_add_test(good, who_may_passes_and_who_may_not_is_told_why);
    tcase_add_test(good, what_is_known_is_not_asked_again);
    tcase_add_test(good, what_is_too_old_is_asked_again);
    tcase_add_test(good, those_who_bring_one_token_at_once_share_its_review);
    tcase_add_test(good, a_person_of_a_certificate_is_asked_about_by_name_and_groups);
    tcase_add_test(good, a_token_for_other_audiences_is_nobodys);
    tcase_add_test(good, our_own_token_is_read_again_when_it_is_refused);
    tcase_add_loop_test(bad, without_an_api_server_what_is_known_serves_and_nothing_else, 0, 3);
    tcase_add_test(bad, nobody_listening_is_told_soon);
    tcase_add_loop_test(bad, an_answer_that_is_none_lets_nobody_pass, 0, NV_LEN(lies));
    tcase_add_test(bad, an_endless_answer_is_not_read_to_its_end);
    tcase_add_test(bad, a_thousand_tokens_at_once_are_bounded);
    tcase_add_test(bad, who_waits_for_one_token_is_bounded_too);
    tcase_add_test(bad, a_stop_tells_everybody_who_waits);
    tcase_add_test(bad, what_cannot_be_a_token_is_nobodys_without_a_question);
    tcase_add_test(cache, without_an_address_there_is_an_error);
    tcase_add_test(cache, guesses_push_out_guesses);
    TCase *all[] = {good, bad, cache};
    for (size_t i = 0; i < NV_LEN(all); i++) {
        tcase_set_timeout(all[i], 120);
        suite_add_tcase(suite, all[i]);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
