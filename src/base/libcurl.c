/*
 * libcurl.c - libcurl, loaded when something first needs a client.
 *
 * It brings twenty other libraries (TLS, Kerberos, LDAP, SSH ...) and some MB of resident memory, for nothing where a
 * node is only scraped. So the functions in use are lazy (lazy.h). The GnuTLS flavour comes first, for one TLS
 * library in the process.
 *
 * Where there is no library, curl_easy_init() gives NULL and nothing else is called.
 */
#define CURL_DISABLE_TYPECHECK
#define curl_url_get                                                                               \
    curl_url_get_as_declared /* with a const or without, as the library grew older */
#include <curl/curl.h>
#undef curl_url_get
#include <dlfcn.h>
#include <stdarg.h>

#include "base/lazy.h"

#undef curl_easy_setopt
#undef curl_easy_getinfo

static void initialise(void *found)
{
    CURLcode (*function)(long) = (CURLcode(*)(long))dlsym(found, "curl_global_init");

    if (function)
        function(CURL_GLOBAL_DEFAULT);
}

static const char *const names[] = {"libcurl-gnutls.so.4", "libcurl.so.4", NULL};
static struct nv_lazy library = NV_LAZY(names, initialise);

#define HAND_ON(...) NV_LAZY_FUNCTION(library, __VA_ARGS__)

// clang-format off
HAND_ON(CURL *, curl_easy_init, (void), (), NULL)
HAND_ON(const char *, curl_easy_strerror, (CURLcode code), (code), "libcurl is missing")
HAND_ON(CURLHcode, curl_easy_header,
        (CURL *easy, const char *name, size_t index, unsigned origin, int request, struct curl_header **ret),
        (easy, name, index, origin, request, ret), CURLHE_NOT_BUILT_IN)

HAND_ON(CURLM *, curl_multi_init, (void), (), NULL)
HAND_ON(CURLMcode, curl_multi_add_handle, (CURLM *multi, CURL *easy), (multi, easy), CURLM_INTERNAL_ERROR)
HAND_ON(CURLMcode, curl_multi_remove_handle, (CURLM *multi, CURL *easy), (multi, easy), CURLM_INTERNAL_ERROR)
HAND_ON(CURLMcode, curl_multi_perform, (CURLM *multi, int *running), (multi, running), CURLM_INTERNAL_ERROR)
HAND_ON(CURLMcode, curl_multi_poll, (CURLM *multi, struct curl_waitfd more[], unsigned n, int timeout_ms, int *ret),
        (multi, more, n, timeout_ms, ret), CURLM_INTERNAL_ERROR)
HAND_ON(CURLMcode, curl_multi_wakeup, (CURLM *multi), (multi), CURLM_INTERNAL_ERROR)
HAND_ON(CURLMsg *, curl_multi_info_read, (CURLM *multi, int *ret_left), (multi, ret_left), NULL)
HAND_ON(CURLMcode, curl_multi_cleanup, (CURLM *multi), (multi), CURLM_INTERNAL_ERROR)

HAND_ON(struct curl_slist *, curl_slist_append, (struct curl_slist *list, const char *text), (list, text), NULL)

HAND_ON(CURLU *, curl_url, (void), (), NULL)
HAND_ON(CURLUcode, curl_url_set, (CURLU *url, CURLUPart part, const char *text, unsigned flags),
        (url, part, text, flags), CURLUE_OUT_OF_MEMORY)
CURLUcode curl_url_get(const CURLU *url, CURLUPart part, char **ret, unsigned flags);
HAND_ON(CURLUcode, curl_url_get, (const CURLU *url, CURLUPart part, char **ret, unsigned flags),
        (url, part, ret, flags), CURLUE_OUT_OF_MEMORY)

#define HAND_ON_VOID(name, parameters, arguments)                                              \
    void name parameters                                                                       \
    {                                                                                          \
        static void *known;                                                                    \
        void(*function) parameters = (void(*) parameters)nv_lazy_find(&library, &known, #name); \
                                                                                               \
        if (function)                                                                          \
            function arguments;                                                                \
    }
HAND_ON_VOID(curl_easy_cleanup, (CURL *easy), (easy))
HAND_ON_VOID(curl_slist_free_all, (struct curl_slist *list), (list))
HAND_ON_VOID(curl_url_cleanup, (CURLU *url), (url))
HAND_ON_VOID(curl_free, (void *p), (p))
// clang-format on

/* An option's number tells the type of the one argument behind it. */
CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    static void *known;
    CURLcode (*function)(CURL *, CURLoption, ...) =
        (CURLcode(*)(CURL *, CURLoption, ...))nv_lazy_find(&library, &known, "curl_easy_setopt");
    CURLcode code = CURLE_FAILED_INIT;
    va_list arguments;

    if (!function)
        return code;
    va_start(arguments, option);
    if (option < CURLOPTTYPE_OBJECTPOINT)
        code = function(easy, option, va_arg(arguments, long));
    else if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB)
        code = function(easy, option, va_arg(arguments, curl_off_t));
    else
        code = function(easy, option, va_arg(arguments, void *));
    va_end(arguments);
    return code;
}

CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
    static void *known;
    CURLcode (*function)(CURL *, CURLINFO, ...) =
        (CURLcode(*)(CURL *, CURLINFO, ...))nv_lazy_find(&library, &known, "curl_easy_getinfo");
    CURLcode code = CURLE_FAILED_INIT;
    va_list arguments;

    if (!function)
        return code;
    va_start(arguments, info);
    code = function(easy, info, va_arg(arguments, void *));
    va_end(arguments);
    return code;
}
