/*
 * settle.h - gives back what only the start needed.
 */
#ifndef NV_AGENT_SETTLE_H
#define NV_AGENT_SETTLE_H

/* Unmaps code that start-up has touched (it is mapped again from the page cache where it is needed) and trims
 * the heap. Once, when the agent is ready. */
void nv_agent_settle(void);

#endif
