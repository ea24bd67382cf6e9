/*
 * frames.h - frames as a node would make them, for tests and benchmarks of the store.
 *
 * Half of the series stand still; the rest are counters with integer steps, bounded random walks, kernel milliseconds as
 * seconds, and a few true floats. Everything comes from a seed. Series may end and others begin: their labels never
 * come back. A frame has the section all are in, observed.
 *
 *   bench_value{device="<number / 20>",kind="k<number % 20>"}, from the target {instance="bench:9100",job="bench"}
 *
 *   generations  as the agent's: begun when asked, or when columns without series outweigh the others
 *   ownership    layouts live as long as the frames: free these last
 *   errors       lack of memory ends the process
 */
#ifndef NV_TEST_FRAMES_H
#define NV_TEST_FRAMES_H

#include "metric/frame.h"

struct nv_frames;

struct nv_frames *nv_frames_new(size_t n_series, uint64_t seed);
void nv_frames_free(struct nv_frames *frames);
NV_DEFINE_AUTO(nv_frames)

uint64_t nv_frames_random(struct nv_frames *frames);

/* The next one; the caller's. */
struct nv_frame *nv_frames_make(struct nv_frames *frames, int64_t time_ms);

/* From the next frame on: n more series; n others in the place of the oldest; a new generation if series are absent. */
void nv_frames_add(struct nv_frames *frames, size_t n);
void nv_frames_replace(struct nv_frames *frames, size_t n);
void nv_frames_renew(struct nv_frames *frames);

/* Series that are there, and all that ever were. */
size_t nv_frames_n(const struct nv_frames *frames);
size_t nv_frames_made(const struct nv_frames *frames);

/* Bytes they hold, layouts included: not the store's. */
size_t nv_frames_memory(const struct nv_frames *frames);

#endif
