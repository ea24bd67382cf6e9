/*
 * log.h - what the agent says, one line each, to standard error or the journal.
 *
 * Forms: logfmt (time=... level=INFO source=file:line msg="..." key=value), JSON lines, or the journal
 * with structured fields (MESSAGE, PRIORITY, CODE_FILE, CODE_LINE, NODEVITALS_<KEY>).
 *
 *   threads    any; a line is one write(2), or one datagram to the journal
 *   bound      a line is cut at NV_LOG_LINE_MAX bytes; one that nobody takes within a second is dropped
 *   text       control characters and what is not UTF-8 are escaped; `source` is the file's base name
 *
 * Only agent/, cli/, web/ and the schedulers speak; libraries return errors.
 */
#ifndef NV_BASE_LOG_H
#define NV_BASE_LOG_H

#include <nodevitals/collector.h> /* enum nv_log_level */

enum { NV_LOG_LINE_MAX = 8192 };

enum nv_log_form { NV_LOG_LOGFMT, NV_LOG_JSON, NV_LOG_JOURNAL };

/*
 * Before the first thread. Default: NV_INFO, NV_LOG_LOGFMT, file descriptor 2. In the form NV_LOG_JOURNAL `fd`
 * is where lines go, as logfmt, when no journal listens; where it is itself a connected datagram socket,
 * that is taken for the journal.
 */
void nv_log_setup(enum nv_log_level least, enum nv_log_form form, int fd);
bool nv_log_wants(enum nv_log_level level);

/* `key`/`value`: one attribute beside the message, such as "collector", "cpu"; NULL for none. */
__attribute__((format(printf, 6, 7))) void nv_log_write(enum nv_log_level level, const char *file,
                                                        int line, const char *key,
                                                        const char *value, const char *format, ...);
__attribute__((format(printf, 6, 0))) void nv_log_write_v(enum nv_log_level level, const char *file,
                                                          int line, const char *key,
                                                          const char *value, const char *format,
                                                          va_list arguments);

#define nv_log_(level, ...)                                                                        \
    (nv_log_wants(level) ? nv_log_write(level, __FILE__, __LINE__, NULL, NULL, __VA_ARGS__)        \
                         : (void)0)
#define nv_log_debug(...) nv_log_(NV_DEBUG, __VA_ARGS__)
#define nv_log_info(...)  nv_log_(NV_INFO, __VA_ARGS__)
#define nv_log_warn(...)  nv_log_(NV_WARN, __VA_ARGS__)
#define nv_log_error(...) nv_log_(NV_ERROR, __VA_ARGS__)

/* Logs "<message>: <text of -error>" at error level and returns error. */
#define nv_log_err(error, ...) nv_log_err_(__FILE__, __LINE__, (error), __VA_ARGS__)
__attribute__((format(printf, 4, 5))) int nv_log_err_(const char *file, int line, int error,
                                                      const char *format, ...);

/*
 * A complaint is what may recur every second: said at once, then after 1, 2, 4 ... up to 1024 repeats;
 * nv_complain_over() says once that it is over. Zeroed at first. Not for two threads at once.
 */
struct nv_complaint {
    uint64_t times, next;
};
/* True when it is time to speak; the caller logs. */
bool nv_complaint_speaks(struct nv_complaint *complaint);
/* Ends it. Returns how often it occurred, 0 when there was none. */
uint64_t nv_complaint_over(struct nv_complaint *complaint);

#endif
