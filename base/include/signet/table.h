/* Text tables with aligned columns: numbers right, text left, by the widest cell. */
#ifndef SIGNET_TABLE_H
#define SIGNET_TABLE_H

#include <signet/error.h>
#include <stdio.h>

typedef struct sg_table sg_table;
sg_table *sg_table_new(size_t columns, const char *const *heads); /* NULL on out of memory */
/* Adds a cell to the current row; a row ends by itself after `columns` cells. Failure is sticky to the print.
 */
void sg_table_cell(sg_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool sg_table_print(const sg_table *table, FILE *out, sg_error *err);
void sg_table_free(sg_table *table);

#endif
