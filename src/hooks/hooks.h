/*
 * hooks.h - the one file that saves, sets and chains PostgreSQL's hooks.
 */
#ifndef TWP_HOOKS_H
#define TWP_HOOKS_H

extern void twp_hooks_init(void);

#endif							/* TWP_HOOKS_H */
