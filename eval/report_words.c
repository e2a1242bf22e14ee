#include "report_impl.h"

#include <inttypes.h>

static void put_term(sg_buf *html, const char *term)
{
    sg_buf_printf(html, "<dt>%s</dt>\n<dd>", term);
}

static void end_term(sg_buf *html)
{
    sg_buf_puts(html, "</dd>\n");
}

static void put_attacks(sg_buf *html, const sg_audit *audit)
{
    const sg_audit_options *o = audit->options;
    put_term(html, "Attacks");
    for (size_t i = 0; i < o->nattacks; i++) {
        int steps = sg_audit_find(audit, audit->models, o->attacks[i], o->gradients[0], audit->eps[0])
                        ->attack.iterations;
        sg_buf_printf(html, "%s<strong>%s</strong>, %d step%s: it knows ", i ? "<br>" : "", o->attacks[i],
                      steps, steps == 1 ? "" : "s");
        if (sg_attack_needs_labels(o->attacks[i]))
            sg_buf_printf(
                html,
                "the model, the query&rsquo;s true label and the codes and labels of %zu training images",
                audit->split->ntrain);
        else
            sg_buf_puts(html, "the model");
        sg_buf_puts(html, ".");
    }
    end_term(html);
}

static void put_budget(sg_buf *html)
{
    put_term(html, "Budget, eps");
    sg_buf_puts(
        html,
        "No pixel moves by more than eps, as a part of its whole range. The attacked image is rounded to "
        "8 bits, as any file is, and encoded again like any other image: only that is scored.");
    end_term(html);
}

static void put_gradients(sg_buf *html, const sg_audit *audit)
{
    bool both = audit->options->ngradients > 1;
    put_term(html, "Gradient");
    sg_buf_puts(
        html, "<strong>exact</strong>: the attacker follows the true gradient of the network. "
              "<strong>rule</strong>: the signal goes down through the matrices of the model&rsquo;s own "
              "learning rule, in the place of the weights. In a model trained by backpropagation the two are "
              "one (<strong>exact=rule</strong>). ");
    sg_buf_puts(
        html,
        both ? "A model that withstands only the rule&rsquo;s gradient is not robust: its attacker was "
               "led astray. The lower figure counts."
             : "Only one of the two was run here; robustness and a handicapped attacker can look alike.");
    end_term(html);
}

static void put_map(sg_buf *html, const sg_audit *audit)
{
    put_term(html, "mAP");
    sg_buf_puts(html,
                "Mean average precision, from 0 to 1: how far up the list of answers the images that share a "
                "label with the query stand");
    if (audit->options->top) sg_buf_printf(html, ", counted in the first %zu", audit->options->top);
    sg_buf_puts(html,
                ". Codes collide, so that many answers are equally near: the figure is the expectation over "
                "every order of such equals. A query without any hit counts 0.");
    end_term(html);
}

/* Of the first model of each head: its clean cell comes first. */
static void put_chance(sg_buf *html, const sg_audit *audit)
{
    bool told[2] = {false, false};
    put_term(html, "Chance");
    for (size_t i = 0; i < audit->ncells; i++) {
        const sg_cell *c = &audit->cells[i];
        if (told[c->model->hash]) continue;
        told[c->model->hash] = true;
        sg_buf_printf(html, "%s would have %s of %.3f here. ",
                      c->model->hash ? "Answers in random order" : "Names drawn at random",
                      c->model->hash ? "a mAP" : "an accuracy", c->chance);
    }
    sg_buf_puts(html, "Chance is dotted in the curves; an attack can push a model below it.");
    end_term(html);
}

static void put_metrics(sg_buf *html, const sg_audit *audit)
{
    size_t hashes = sg_report_searches(audit);
    if (hashes) put_map(html, audit);
    if (hashes < audit->options->nmodels) {
        put_term(html, "Accuracy");
        sg_buf_puts(html, "The share of queries whose most likely class is their own.");
        end_term(html);
    }
    put_chance(html, audit);
    put_term(html, "Intervals");
    sg_buf_printf(html,
                  "95 %%, by bootstrap over the queries (%d resamples). They tell how much another draw of "
                  "queries would change a figure, not how another training would.",
                  SG_RESAMPLES);
    end_term(html);
}

void sg_report_method(sg_buf *html, const sg_audit *audit)
{
    sg_buf_puts(html, "<section>\n<h2>What was done, and how to read it</h2>\n<dl>\n");
    if (audit->neps) {
        put_attacks(html, audit);
        put_budget(html);
        put_gradients(html, audit);
    }
    put_metrics(html, audit);
    sg_buf_puts(html, "</dl>\n</section>\n");
}

static void put_models(sg_buf *html, const sg_audit *audit)
{
    sg_buf_puts(html,
                "<h3>Models</h3>\n<div class=\"wide\"><table>\n<thead><tr><th>Model</th><th>Network</th>"
                "<th>Input</th><th>Output</th><th>Rule</th><th>Scale of "
                "B</th><th>Precision</th><th>Fingerprint</th></tr></thead>\n"
                "<tbody>\n");
    for (size_t i = 0; i < audit->options->nmodels; i++) {
        const sg_audit_model *m = &audit->models[i];
        sg_buf_puts(html, "<tr><td>");
        sg_buf_put_html(html, m->name);
        sg_buf_printf(
            html,
            "</td><td>%s</td><td>%" PRId64 " &times; %" PRId64 " &times; %" PRId64 "</td><td>%" PRId64
            " %s</td><td>%s</td><td>%s</td><td>%s</td><td><code title=\"%s\">%.16s</code></td></tr>\n",
            m->arch, m->channels, m->height, m->width, m->outputs, m->hash ? "bits" : "classes", m->rule,
            m->exact_is_rule ? "none" : m->scale_kind, m->precision, m->fingerprint, m->fingerprint);
    }
    sg_buf_puts(html, "</tbody>\n</table></div>\n");
}

static void put_count(sg_buf *html, const char *term, size_t n)
{
    put_term(html, term);
    sg_buf_printf(html, "%zu", n);
    end_term(html);
}

void sg_report_settings(sg_buf *html, const sg_audit *audit)
{
    sg_buf_puts(html, "<section>\n<h2>Settings</h2>\n<dl>\n");
    put_term(html, "Data");
    sg_buf_put_html(html, sg_dataset_name(audit->ds));
    sg_buf_puts(html, ", protocol ");
    sg_buf_put_html(html, audit->split->protocol);
    end_term(html);
    put_term(html, "Split");
    sg_buf_printf(html, "<code>%s</code> (checksum of the lists of images, <code>split.txt</code>)",
                  audit->split->checksum);
    end_term(html);
    put_count(html, "Queries", audit->nqueries);
    put_count(html, "Database", audit->split->ndatabase);
    put_count(html, "Training images", audit->split->ntrain);
    put_term(html, "Seed");
    sg_buf_printf(html, "%" PRIu64, audit->options->seed);
    end_term(html);
    sg_buf_puts(html, "</dl>\n");
    put_models(html, audit);
    sg_buf_puts(html, "</section>\n");
}
