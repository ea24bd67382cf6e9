/*
 * literals.h - finds in one pass over a text which of many literals occur.
 *
 * Each literal is found by four of its bytes, the least usual ones: their hash leads to the literals that have them, which
 * are then compared. A position of the text costs a hash and a look at one bit.
 *
 *   bound      literals of NV_LITERAL_MIN bytes at least; the numbers found are below NV_LITERAL_IDS_MAX
 */
#ifndef NODEVITALS_PROBLEM_LITERALS_H
#define NODEVITALS_PROBLEM_LITERALS_H

#include <nodevitals/scan.h>

enum { NV_LITERAL_MIN = 4, NV_LITERAL_IDS_MAX = 1024, NV_LITERAL_TEXT_MAX = 256 };

struct nv_literals;

struct nv_literals *nv_literals_new(void); /* NULL when memory is out */
void nv_literals_free(struct nv_literals *literals);

/* Copies. -EINVAL where it is too short or the number too large; -ENOMEM. */
int nv_literals_add(struct nv_literals *literals, struct nv_str text, unsigned id);

/* Sets bit `id` of `found` (NV_LITERAL_IDS_MAX bits) for each that occurs. */
void nv_literals_find(const struct nv_literals *literals, struct nv_str text, uint64_t *found);

/*
 * The longest text that everything an RE2 expression matches must contain, into `ret`, NUL behind it. Its length; 0 where
 * none of NV_LITERAL_MIN bytes or more is certain.
 */
size_t nv_literal_required(struct nv_str pattern, char ret[NV_LITERAL_TEXT_MAX]);

#endif
