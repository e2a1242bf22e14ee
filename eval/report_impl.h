/* The report's parts, in the order in which they are read; each appends its section. */
#ifndef SIGNET_REPORT_IMPL_H
#define SIGNET_REPORT_IMPL_H

#include "audit_impl.h"

extern const char sg_report_style[];

/* How many of the models are hashes, which search; the others name classes. */
size_t sg_report_searches(const sg_audit *audit);
/* "mAP", "mAP@5000", "accuracy": what the figures of these models are. */
const char *sg_report_metric(char out[64], const sg_audit *audit);
/* The reference budget, at which models are compared and pictures shown: of those run the nearest to 8/255. */
double sg_report_eps(const sg_audit *audit);

/* report_words.c: what was done, how to read it, the settings */
void sg_report_method(sg_buf *html, const sg_audit *audit);
void sg_report_settings(sg_buf *html, const sg_audit *audit);
/* report_results.c: tables and curves */
void sg_report_summary(sg_buf *html, const sg_audit *audit);
void sg_report_results(sg_buf *html, const sg_audit *audit);
bool sg_report_curves(sg_buf *html, const sg_audit *audit, sg_error *err);
void sg_report_details(sg_buf *html, const sg_audit *audit);
/* report_pictures.c: images before and after, and their answers */
bool sg_report_pictures(sg_buf *html, const sg_audit *audit, sg_error *err);

#endif
