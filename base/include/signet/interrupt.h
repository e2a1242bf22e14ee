/* SIGINT sets one flag; loops read it and end cleanly with SG_ERR_INTERRUPTED. The flag and its handler are
 * the program's: the library only reads. */
#ifndef SIGNET_INTERRUPT_H
#define SIGNET_INTERRUPT_H

#include <signet/error.h>
#include <stdbool.h>

void sg_interrupt_install(void); /* SIGINT and SIGTERM set the flag; a second one ends the process at once */
void sg_interrupt_set(bool on);  /* for tests, and for a program with its own handler */
bool sg_interrupted(void);
/* True while nothing was asked; else fails with SG_ERR_INTERRUPTED, "interrupted". */
bool sg_interrupt_check(sg_error *err);

#endif
