/*
 * hooks.h - the one place where PostgreSQL's hooks are set.
 */
#ifndef TWP_HOOKS_H
#define TWP_HOOKS_H

extern void twp_hooks_init(void);

#endif							/* TWP_HOOKS_H */
