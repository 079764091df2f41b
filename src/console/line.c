/* line.c: libedit under a poll loop.
 *
 * libedit asks for one character at a time; our reader (EL_GETCFN) waits for the terminal and for the watched descriptor
 * together. When an event comes first it wipes the prompt's line, prints the event, and lets libedit draw prompt and
 * half-written line again. libedit's own signal handling (EL_SIGNAL) stays off: it passes signals on to the whole
 * process group. */
#include "console/line.h"

#include "front/command.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum { HISTORY_LINES = 1000, CANDIDATES_MAX = 128, HISTORY_PATH_MAX = 4096 };

struct line {
    struct line_options o;
    EditLine *edit;
    History *history;
    char history_path[HISTORY_PATH_MAX]; /* "": none */
    char *text;                          /* of the last line */
    bool discarded;                      /* by Ctrl-C */
};

static volatile sig_atomic_t resized;

static void on_resize(int signal)
{
    (void)signal;
    resized = 1;
}

static struct line *line_of(EditLine *edit)
{
    void *l = NULL;
    el_get(edit, EL_CLIENTDATA, &l);
    return l;
}

static char *prompt_of(EditLine *edit)
{
    static char prompt[256];
    snprintf(prompt, sizeof prompt, "%s", line_of(edit)->o.prompt);
    return prompt;
}

/* ---- One character ---- */

static void show_events(struct line *l)
{
    struct buf text;
    buf_init(&text, 1024 * 1024);
    l->o.watch(l->o.arg, &text);
    if (text.n > 0) {
        printf("\r\033[K%.*s", (int)text.n, (const char *)text.p);
        fflush(stdout);
        el_set(l->edit, EL_REFRESH);
    }
    buf_close(&text);
}

/* Bytes to one wide character. A byte that begins none in this locale stands for itself. 1, or 0 at the end of input. */
static int read_character(wchar_t *out)
{
    mbstate_t state = {0};
    for (;;) {
        char byte;
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        size_t used = mbrtowc(out, &byte, 1, &state);
        if (used == (size_t)-2)
            continue;
        if (used == (size_t)-1)
            *out = (unsigned char)byte;
        return 1;
    }
}

static int next_character(EditLine *edit, wchar_t *out)
{
    struct line *l = line_of(edit);
    for (;;) {
        if (l->o.stop != NULL && *l->o.stop)
            return 0;
        if (resized) {
            resized = 0;
            el_resize(edit);
        }
        struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = l->o.watch_fd(l->o.arg), .events = POLLIN}};
        if (poll(p, 2, -1) < 0) {
            if (errno != EINTR)
                return 0;
            continue;
        }
        if (p[1].revents != 0)
            show_events(l);
        if (p[0].revents != 0)
            return read_character(out);
    }
}

static unsigned char discard_line(EditLine *edit, int key)
{
    (void)key;
    line_of(edit)->discarded = true;
    fputs("^C\n", stdout);
    return CC_NEWLINE;
}

/* ---- Completion ---- */

struct candidates {
    const char *name[CANDIDATES_MAX];
    unsigned n;
    size_t common; /* bytes at the start that all share */
};

static void add_candidate(struct candidates *c, const char *name, struct slice prefix)
{
    if (strlen(name) < prefix.n || strncasecmp(name, (const char *)prefix.p, prefix.n) != 0 || c->n == CANDIDATES_MAX)
        return;
    size_t common = c->n == 0 ? strlen(name) : c->common;
    while (c->n > 0 && strncasecmp(name, c->name[0], common) != 0)
        common--;
    c->common = common;
    c->name[c->n++] = name;
}

/* All that may stand where `prefix` stands: a command, or, after the word `parent`, one of its subcommands. */
static void find_candidates(const struct line *l, struct slice parent, struct slice prefix, struct candidates *c)
{
    bool help = slice_eq(parent, SLICE("help")); /* what follows "help" is a command */
    for (unsigned i = 0; i < command_n; i++) {
        const struct command *k = &command_table[i];
        bool fits = parent.n == 0 || help ? k->parent == NULL
                                          : k->parent != NULL && strlen(k->parent) == parent.n &&
                                                strncasecmp(k->parent, (const char *)parent.p, parent.n) == 0;
        if (fits)
            add_candidate(c, k->name, prefix);
    }
    for (const char *const *word = l->o.words; parent.n == 0 && *word != NULL; word++)
        add_candidate(c, *word, prefix);
}

static void list_candidates(const struct candidates *c)
{
    fputs("\r\n", stdout);
    size_t column = 0;
    for (unsigned i = 0; i < c->n; i++) {
        if (column + strlen(c->name[i]) > 76) {
            fputs("\r\n", stdout);
            column = 0;
        }
        column += (size_t)printf("%-12s ", c->name[i]);
    }
    fputs("\r\n", stdout);
    fflush(stdout);
}

static unsigned char complete(EditLine *edit, int key)
{
    (void)key;
    const LineInfo *info = el_line(edit);
    struct slice text = slice_of(info->buffer, (size_t)(info->cursor - info->buffer));
    const uint8_t *space = text.n > 0 ? memchr(text.p, ' ', text.n) : NULL;
    struct slice parent = slice_of(text.p, space != NULL ? (size_t)(space - text.p) : 0);
    struct slice prefix = space != NULL ? slice_of(space + 1, text.n - parent.n - 1) : text;
    if (prefix.n > 0 && memchr(prefix.p, ' ', prefix.n) != NULL)
        return CC_ERROR; /* keys and values are not ours to guess */
    struct candidates c = {.n = 0};
    find_candidates(line_of(edit), parent, prefix, &c);
    if (c.n == 0)
        return CC_ERROR;
    if (c.n > 1 && c.common == prefix.n) {
        list_candidates(&c);
        return CC_REDISPLAY;
    }
    char rest[128];
    snprintf(rest, sizeof rest, "%.*s%s", (int)(c.common - prefix.n), c.name[0] + prefix.n, c.n == 1 ? " " : "");
    return el_insertstr(edit, rest) == 0 ? CC_REFRESH : CC_ERROR;
}

/* ---- Opening and closing ---- */

static void open_history(struct line *l)
{
    HistEvent event;
    const char *path = getenv("COVEY_HISTORY"), *home = getenv("HOME");
    l->history = history_init();
    if (l->history == NULL)
        return;
    history(l->history, &event, H_SETSIZE, HISTORY_LINES);
    history(l->history, &event, H_SETUNIQUE, 1);
    if (path != NULL)
        snprintf(l->history_path, sizeof l->history_path, "%s", path);
    else if (home != NULL)
        snprintf(l->history_path, sizeof l->history_path, "%s/.covey_history", home);
    if (l->history_path[0] != '\0')
        history(l->history, &event, H_LOAD, l->history_path); /* absent at the first start */
    el_set(l->edit, EL_HIST, history, l->history);
}

static void bind_keys(EditLine *edit)
{
    el_set(edit, EL_EDITOR, "emacs");
    /* el_set would copy these two names and never free them; el_wset keeps the pointers. */
    el_wset(edit, EL_ADDFN, L"covey-complete", L"complete a command", complete);
    el_wset(edit, EL_ADDFN, L"covey-discard", L"discard the line", discard_line);
    el_set(edit, EL_BIND, "^I", "covey-complete", NULL);
    el_set(edit, EL_BIND, "^C", "covey-discard", NULL);
    el_set(edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    /* While a line is edited, and between the lines: what is typed ahead then is kept as it is for the next line. In the
     * terminal's own line mode a Ctrl-D typed just as the prompt appears, before libedit sets its mode, would be lost. */
    el_set(edit, EL_SETTY, "-d", "-isig", NULL);
    el_set(edit, EL_SETTY, "-x", "-isig", "-icanon", "-echo", NULL);
}

struct line *line_open(const struct line_options *o)
{
    struct line *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->o = *o;
    l->edit = el_init("covey", stdin, stdout, stderr);
    if (l->edit == NULL) {
        free(l);
        return NULL;
    }
    el_set(l->edit, EL_CLIENTDATA, l);
    el_set(l->edit, EL_PROMPT, prompt_of);
    el_set(l->edit, EL_GETCFN, next_character);
    bind_keys(l->edit);
    open_history(l);
    sigaction(SIGWINCH, &(struct sigaction){.sa_handler = on_resize}, NULL);
    return l;
}

const char *line_read(struct line *l)
{
    int n = 0;
    l->discarded = false;
    const char *text = el_gets(l->edit, &n);
    if (l->discarded)
        return "";
    if (text == NULL || n <= 0)
        return NULL;
    free(l->text);
    l->text = strndup(text, (size_t)n);
    if (l->text == NULL)
        return NULL;
    l->text[strcspn(l->text, "\r\n")] = '\0';
    HistEvent event;
    if (l->text[0] != '\0' && l->history != NULL)
        history(l->history, &event, H_ENTER, text);
    return l->text;
}

void line_close(struct line *l)
{
    HistEvent event;
    if (l->history != NULL && l->history_path[0] != '\0')
        history(l->history, &event, H_SAVE, l->history_path);
    el_end(l->edit);
    if (l->history != NULL)
        history_end(l->history);
    free(l->text);
    free(l);
}
