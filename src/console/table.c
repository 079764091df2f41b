/* table.c: an array of maps as an aligned table.
 *
 * The columns are the fields of the first row. Another row may have them in another order, or lack
 * some. All cells are written into one buffer first, because the widths must be known before the
 * first line is printed. */
#include "base/check.h"
#include "base/error.h"
#include "console/text.h"

#include <stdlib.h>

enum { COLUMNS_MAX = 32, GAP = 2 };

struct cell {
    size_t at, n; /* offset and length in table.text */
};

struct column {
    struct slice field;
    size_t width; /* characters */
    bool number;  /* every cell is a number: aligned to the right */
    bool empty;   /* no cell has anything: not shown */
    bool hidden;
    bool dropped; /* hidden because the terminal is too narrow */
};

struct table {
    struct buf text;
    struct column column[COLUMNS_MAX];
    unsigned column_n;
    struct cell *cell; /* row after row */
    uint32_t row_n;
};

/* The index of a field's value in the map at i; 0: none. */
static uint32_t find_field(const struct resp_reply *r, uint32_t i, struct slice field)
{
    uint32_t child = i + 1;
    for (uint32_t k = 0; r->v[i].type == RESP_MAP && k < r->v[i].count / 2; k++) {
        uint32_t value = resp_after(r, child);
        if (slice_eq(r->v[child].text, field))
            return value;
        child = resp_after(r, value);
    }
    return 0;
}

static void find_columns(struct table *t, const struct resp_reply *r, uint32_t row)
{
    uint32_t child = row + 1;
    for (uint32_t k = 0; k < r->v[row].count / 2 && t->column_n < COLUMNS_MAX; k++) {
        struct slice field = r->v[child].text;
        t->column[t->column_n++] =
            (struct column){field, text_width(text_heading(field)), true, true, false, false};
        child = resp_after(r, resp_after(r, child));
    }
}

/* Writes one cell and updates its column. */
static struct cell make_cell(struct sink *s, struct column *c, const struct resp_reply *r,
                             uint32_t value)
{
    struct cell cell = {s->out->n, 0};
    if (value != 0)
        text_put_cell(s, r, value, c->field);
    else
        text_put(s, SLICE("-"));
    cell.n = s->out->n - cell.at;
    struct slice text = slice_of(s->out->p + cell.at, cell.n);
    size_t width = text_width(text);
    bool blank = slice_eq(text, SLICE("-"));
    c->width = width > c->width ? width : c->width;
    c->number = c->number && (blank || (value != 0 && r->v[value].type == RESP_INTEGER));
    c->empty = c->empty && blank;
    return cell;
}

static void make_cells(struct table *t, struct sink *s, const struct resp_reply *r, uint32_t list)
{
    struct sink text = {&t->text, 0};
    uint32_t row = list + 1;
    for (uint32_t k = 0; k < t->row_n; k++) {
        for (unsigned c = 0; c < t->column_n; c++)
            t->cell[k * t->column_n + c] =
                make_cell(&text, &t->column[c], r, find_field(r, row, t->column[c].field));
        row = resp_after(r, row);
    }
    if (s->error == 0)
        s->error = text.error;
}

static size_t shown_width(const struct table *t)
{
    size_t width = 0;
    for (unsigned c = 0; c < t->column_n; c++)
        width += t->column[c].hidden ? 0 : t->column[c].width + GAP;
    return width > GAP ? width - GAP : 0;
}

/* Hides empty columns, and then the least useful ones, until the table fits. Only the latter are
 * named under the table. */
static void hide_columns(struct table *t, unsigned columns)
{
    static const char *const expendable[] = {"incarnation", "weight",   "digest",
                                             "id",          "since_ms", "self"};
    for (unsigned c = 0; c < t->column_n; c++)
        t->column[c].hidden = t->column[c].empty;
    for (size_t e = 0; e < sizeof expendable / sizeof expendable[0]; e++) {
        for (unsigned c = 0; c < t->column_n; c++) {
            if (columns != 0 && shown_width(t) > columns &&
                slice_eq(t->column[c].field, slice_str(expendable[e])))
                t->column[c].hidden = t->column[c].dropped = true;
        }
    }
}

/* Puts one cell and the blanks around it; none at the end of a line. */
static void put_padded(struct sink *s, const struct column *c, struct slice text,
                       const char *colour, bool last)
{
    size_t pad = c->width - text_width(text);
    text_put_spaces(s, c->number ? pad : 0);
    text_put_coloured(s, text, colour);
    if (!last)
        text_put_spaces(s, GAP + (c->number ? 0 : pad));
}

static void put_row(struct sink *s, const struct table *t, const struct cell *row,
                    const struct render *how)
{
    unsigned last = 0;
    for (unsigned c = 0; c < t->column_n; c++)
        last = t->column[c].hidden ? last : c;
    for (unsigned c = 0; c < t->column_n; c++) {
        const struct column *column = &t->column[c];
        if (column->hidden)
            continue;
        struct slice text = text_heading(column->field);
        const char *colour = how->colour ? "\033[1m" : NULL;
        if (row != NULL) {
            text = slice_of(t->text.p + row[c].at, row[c].n);
            colour = how->colour ? text_colour(text) : NULL;
        }
        put_padded(s, column, text, colour, c == last);
    }
    text_put(s, SLICE("\n"));
}

/* Names the columns that had no room. */
static void put_dropped(struct sink *s, const struct table *t, unsigned columns)
{
    static const char opening[] = "not shown:";
    struct slice comma = SLICE("");
    size_t at = 0;
    for (unsigned c = 0; c < t->column_n; c++) {
        if (!t->column[c].dropped)
            continue;
        if (at == 0) {
            text_put(s, slice_str(opening));
            at = sizeof opening - 1;
        }
        struct slice name = text_heading(t->column[c].field);
        size_t width = text_width(name) + 2; /* a blank before it, perhaps a comma after it */
        text_put(s, comma);
        text_put(s, at + width > columns ? SLICE("\n  ") : SLICE(" "));
        text_put_escaped(s, name);
        at = at + width > columns ? width + 1 : at + width;
        comma = SLICE(",");
    }
    text_put(s, at > 0 ? SLICE("\n") : SLICE(""));
}

void render_table(struct sink *s, const struct resp_reply *r, uint32_t i, const struct render *how)
{
    CHECK(r->v[i].count > 0);
    struct table t = {.row_n = r->v[i].count};
    buf_init(&t.text, s->out->max);
    find_columns(&t, r, i + 1);
    t.cell = calloc((size_t)t.row_n * (t.column_n ? t.column_n : 1), sizeof *t.cell);
    if (t.cell == NULL && s->error == 0)
        s->error = ERR_NO_MEMORY;
    if (s->error == 0)
        make_cells(&t, s, r, i);
    hide_columns(&t, how->columns);
    if (s->error == 0)
        put_row(s, &t, NULL, how);
    for (uint32_t k = 0; k < t.row_n && s->error == 0; k++)
        put_row(s, &t, t.cell + (size_t)k * t.column_n, how);
    put_dropped(s, &t, how->columns);
    free(t.cell);
    buf_close(&t.text);
}
