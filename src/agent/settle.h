/*
 * settle.h - gives back what was needed once.
 */
#ifndef NV_AGENT_SETTLE_H
#define NV_AGENT_SETTLE_H

/* Unmaps code and constants that start-up has touched (they are mapped again from the page cache where they are needed) and trims
 * the heap. When the agent is ready, and now and then after that, for libraries that came later. */
void nv_agent_settle(void);

#endif
