/* line.c: libedit under a poll loop.
 *
 * libedit asks for one character at a time. Our reader (EL_GETCFN) waits for the terminal and for
 * the watched descriptors together. When an event comes first, it wipes the prompt and the
 * half-written line, prints the event, and lets libedit draw both again. libedit's own signal
 * handling (EL_SIGNAL) stays off: it passes signals on to the whole process group.
 *
 * What is typed beyond ASCII is text in every locale. By itself libedit drops what the locale
 * cannot encode. In the C locale it takes each byte from 128 on as a key that is pressed with
 * Meta, to which editing commands are bound. Three things prevent both: keys.h makes the
 * characters, those keys are bound to insert themselves, and the line is read in wide characters.
 * While lines are edited the locale is C.UTF-8, so that libedit draws characters and not their
 * numbers. */
#include "console/line.h"

#include "console/complete.h"
#include "console/keys.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { HISTORY_LINES = 1000, HISTORY_PATH_MAX = 4096, LINE_MAX_BYTES = 4 * 1024 * 1024 };

struct line {
    struct line_options o;
    EditLine *edit;
    HistoryW *history;
    char history_path[HISTORY_PATH_MAX]; /* "": none */
    struct keys keys; /* bytes that were typed and are no complete character yet */
    struct buf text;  /* the last line, with a NUL */
    bool discarded;   /* Ctrl-C discarded the line */
    locale_t utf8;    /* the locale while lines are edited; 0: the one before stays */
    locale_t before;  /* the locale that line_close restores */
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

/* ---- Above the prompt ---- */

/* How many columns libedit takes to draw a character. It draws a control character as ^X, and one
 * that cannot be printed as \U+1234. */
static unsigned columns_of(wchar_t c)
{
    int n = wcwidth(c);
    if (n >= 0)
        return (unsigned)n;
    return c < 0x80 ? 2 : c < 0x10000 ? 7 : 8;
}

/* The rows of the terminal from the start of the prompt to the cursor. */
static unsigned rows_above_cursor(const struct line *l)
{
    const LineInfoW *info = el_wline(l->edit);
    struct winsize size;
    size_t n = strlen(l->o.prompt);
    for (const wchar_t *c = info->buffer; c < info->cursor; c++)
        n += columns_of(*c);
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return (unsigned)(n / (known ? size.ws_col : 80));
}

static void print_above(struct line *l, struct slice text)
{
    unsigned rows = rows_above_cursor(l);
    if (rows > 0)
        printf("\033[%uA", rows);
    fputs("\r\033[J", stdout);
    fwrite(text.p, 1, text.n, stdout);
    fflush(stdout);
    el_set(l->edit, EL_REFRESH);
}

static void show_events(struct line *l, const struct line_watch *w)
{
    struct buf text;
    buf_init(&text, 1024 * 1024);
    w->ready(l->o.arg, &text);
    if (text.n > 0)
        print_above(l, buf_view(&text));
    buf_close(&text);
}

/* ---- One character ---- */

/* Reads a byte from the terminal. False at the end of input. */
static bool read_byte(struct line *l)
{
    uint8_t byte;
    ssize_t n;
    do {
        n = read(STDIN_FILENO, &byte, 1);
    } while (n < 0 && errno == EINTR);
    if (n == 1)
        keys_add(&l->keys, byte);
    return n == 1;
}

/* Waits for the terminal, and prints what the watched descriptors bring meanwhile. False when no
 * more lines are to be read. */
static bool wait_for_key(struct line *l)
{
    for (;;) {
        struct pollfd p[1 + LINE_WATCHES] = {{.fd = STDIN_FILENO, .events = POLLIN}};
        if (l->o.stop != NULL && *l->o.stop)
            return false;
        if (resized) {
            resized = 0;
            el_resize(l->edit);
        }
        for (unsigned i = 0; i < LINE_WATCHES; i++) {
            const struct line_watch *w = &l->o.watch[i];
            p[1 + i] =
                (struct pollfd){.fd = w->fd != NULL ? w->fd(l->o.arg) : -1, .events = POLLIN};
        }
        if (poll(p, 1 + LINE_WATCHES, -1) < 0) {
            if (errno != EINTR)
                return false;
            continue;
        }
        for (unsigned i = 0; i < LINE_WATCHES; i++) {
            if (p[1 + i].revents != 0)
                show_events(l, &l->o.watch[i]);
        }
        if (p[0].revents != 0)
            return true;
    }
}

static int next_character(EditLine *edit, wchar_t *out)
{
    struct line *l = line_of(edit);
    while (!keys_next(&l->keys, out)) {
        if (!wait_for_key(l) || !read_byte(l))
            return 0;
    }
    return 1;
}

static unsigned char discard_line(EditLine *edit, int key)
{
    (void)key;
    line_of(edit)->discarded = true;
    fputs("^C\n", stdout);
    return CC_NEWLINE;
}

/* ---- Completion ---- */

static void list_words(const struct completions *c)
{
    fputs("\r\n", stdout);
    size_t column = 0;
    for (unsigned i = 0; i < c->n; i++) {
        if (column + strlen(c->word[i]) > 76) {
            fputs("\r\n", stdout);
            column = 0;
        }
        column += (size_t)printf("%-12s ", c->word[i]);
    }
    fputs("\r\n", stdout);
    fflush(stdout);
}

static unsigned char complete_text(EditLine *edit, struct slice text)
{
    struct completions c = complete(text, line_of(edit)->o.words);
    if (c.n == 0)
        return CC_ERROR;
    if (c.n > 1 && c.common == c.prefix.n) {
        list_words(&c);
        return CC_REDISPLAY;
    }
    char rest[128];
    snprintf(rest, sizeof rest, "%.*s%s", (int)(c.common - c.prefix.n), c.word[0] + c.prefix.n,
             c.n == 1 ? " " : "");
    return el_insertstr(edit, rest) == 0 ? CC_REFRESH : CC_ERROR;
}

static unsigned char on_tab(EditLine *edit, int key)
{
    (void)key;
    struct buf typed;
    buf_init(&typed, LINE_MAX_BYTES);
    const LineInfoW *info = el_wline(edit);
    int error = keys_bytes(&typed, info->buffer, (size_t)(info->cursor - info->buffer));
    unsigned char then = error == 0 ? complete_text(edit, buf_view(&typed)) : CC_ERROR;
    buf_close(&typed);
    return then;
}

/* ---- Opening and closing ---- */

static void open_history(struct line *l)
{
    HistEventW event;
    const char *path = getenv("COVEY_HISTORY"), *home = getenv("HOME");
    l->history = history_winit();
    if (l->history == NULL)
        return;
    history_w(l->history, &event, H_SETSIZE, HISTORY_LINES);
    history_w(l->history, &event, H_SETUNIQUE, 1);
    if (path != NULL)
        snprintf(l->history_path, sizeof l->history_path, "%s", path);
    else if (home != NULL)
        snprintf(l->history_path, sizeof l->history_path, "%s/.covey_history", home);
    if (l->history_path[0] != '\0')
        /* the file is absent at the first start */
        history_w(l->history, &event, H_LOAD, l->history_path);
    el_wset(l->edit, EL_HIST, history_w, l->history);
}

/* Adds a line to the history. A line that the locale cannot encode is left out: it would come back
 * from the history's file as another command. */
static void remember(struct line *l, const wchar_t *text)
{
    HistEventW event;
    if (l->history != NULL && wcstombs(NULL, text, 0) != (size_t)-1)
        history_w(l->history, &event, H_ENTER, text);
}

static void bind_keys(EditLine *edit)
{
    el_set(edit, EL_EDITOR, "emacs");
    /* el_set would copy these two names and never free them; el_wset keeps the pointers. */
    el_wset(edit, EL_ADDFN, L"covey-complete", L"complete a word", on_tab);
    el_wset(edit, EL_ADDFN, L"covey-discard", L"discard the line", discard_line);
    el_set(edit, EL_BIND, "^I", "covey-complete", NULL);
    el_set(edit, EL_BIND, "^C", "covey-discard", NULL);
    el_set(edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    /* Meta stays usable: a terminal sends it as Escape before the key, and libedit has bindings for
     * that too. */
    for (wchar_t c = 0x80; c <= 0xff; c++)
        el_wset(edit, EL_BIND, (const wchar_t[]){c, L'\0'}, L"ed-insert", NULL);
    /* These modes hold while a line is edited, and between lines too: what is typed ahead is then
     * kept as it is for the next line. In the terminal's own line mode, a Ctrl-D that is typed just
     * as the prompt appears, before libedit sets its mode, would be lost. */
    el_set(edit, EL_SETTY, "-d", "-isig", NULL);
    el_set(edit, EL_SETTY, "-x", "-isig", "-icanon", "-echo", NULL);
}

static void enter_locale(struct line *l)
{
    l->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (l->utf8 != (locale_t)0)
        l->before = uselocale(l->utf8);
}

static void leave_locale(struct line *l)
{
    if (l->utf8 == (locale_t)0)
        return;
    uselocale(l->before);
    freelocale(l->utf8);
}

struct line *line_open(const struct line_options *o)
{
    struct line *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->o = *o;
    buf_init(&l->text, LINE_MAX_BYTES);
    enter_locale(l);
    l->edit = el_init("covey", stdin, stdout, stderr);
    if (l->edit == NULL) {
        leave_locale(l);
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
    const wchar_t *text = el_wgets(l->edit, &n);
    if (l->discarded)
        return "";
    if (text == NULL || n <= 0)
        return NULL;
    size_t length = wcscspn(text, L"\r\n");
    l->text.n = 0;
    if (keys_bytes(&l->text, text, length) != 0 || buf_append(&l->text, "", 1) != 0)
        return NULL;
    if (length > 0)
        remember(l, text);
    return (const char *)l->text.p;
}

void line_close(struct line *l)
{
    HistEventW event;
    if (l->history != NULL && l->history_path[0] != '\0')
        history_w(l->history, &event, H_SAVE, l->history_path);
    el_end(l->edit);
    if (l->history != NULL)
        history_wend(l->history);
    leave_locale(l);
    buf_close(&l->text);
    free(l);
}
