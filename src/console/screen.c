/* screen.c: see screen.h. */
#include "console/screen.h"

#include "console/clock.h"
#include "console/text.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    LABEL_WIDTH = 25,
    BAR_WIDTH = 18,
    SHARE_WIDTH = 24,
    NOTE_WIDTH = 75,
    REDRAW_MS = 50, /* smooth enough for the eye, and rare enough to cost nothing */
};

bool screen_colour(void)
{
    const char *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL && term != NULL &&
           strcmp(term, "dumb") != 0;
}

void screen_open(struct screen *s)
{
    *s = (struct screen){.terminal = isatty(STDOUT_FILENO), .colour = screen_colour()};
    s->utf8 = s->terminal && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
}

unsigned screen_columns(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO))
        return 0;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void print_bar(const struct screen *s, uint32_t part, uint32_t whole, unsigned width)
{
    unsigned full = whole > 0 ? (unsigned)((uint64_t)part * width / whole) : 0;
    for (unsigned i = 0; i < width; i++) {
        if (s->utf8)
            fputs(i < full ? "\u2588" : "\u2591", stdout);
        else
            putchar(i < full ? '#' : '.');
    }
}

const char *screen_count(uint64_t n, char out[SCREEN_COUNT])
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

static void print_seconds(uint64_t ms)
{
    printf(" %4llu.%02llu s", (unsigned long long)(ms / 1000),
           (unsigned long long)(ms % 1000 / 10));
}

static void print_result(const struct screen *s, bool ok)
{
    const char *word = ok ? "ok" : "FAILED";
    const char *colour = s->colour ? text_colour(slice_str(word)) : NULL;
    printf("  %s%s%s\n", colour != NULL ? colour : "", word, colour != NULL ? "\033[0m" : "");
    fflush(stdout);
}

void screen_step(struct screen *s, const char *label)
{
    if (s->quiet)
        return;
    snprintf(s->label, sizeof s->label, "%s", label);
    s->step_ms = clock_ms();
    s->drawn_ms = 0;
    if (s->terminal)
        printf(" %-*s", LABEL_WIDTH, s->label);
    fflush(stdout);
}

static void begin_line(const struct screen *s)
{
    printf("%s %-*s ", s->terminal ? "\r" : "", LABEL_WIDTH, s->label);
}

static void print_counts(const struct screen *s, uint32_t done, uint32_t total, uint64_t us)
{
    char count[SCREEN_COUNT], rate[SCREEN_COUNT];
    begin_line(s);
    print_bar(s, done, total, BAR_WIDTH);
    printf(" %7s %8s/s", screen_count(done, count),
           screen_count(us > 0 ? (uint64_t)done * 1000000 / us : 0, rate));
    print_seconds(us / 1000);
}

void screen_progress(struct screen *s, uint32_t done, uint32_t total)
{
    uint64_t now_ms = clock_ms();
    if (s->quiet || !s->terminal || now_ms < s->drawn_ms + REDRAW_MS)
        return;
    s->drawn_ms = now_ms;
    print_counts(s, done, total, (now_ms - s->step_ms) * 1000);
    fflush(stdout);
}

void screen_counted(struct screen *s, uint32_t done, uint32_t total, uint64_t us, bool ok)
{
    if (s->quiet)
        return;
    print_counts(s, done, total, us);
    print_result(s, ok);
}

void screen_done(struct screen *s, const char *words, bool ok)
{
    if (s->quiet)
        return;
    begin_line(s);
    printf("%-*s", BAR_WIDTH + 19, words);
    print_seconds(clock_ms() - s->step_ms);
    print_result(s, ok);
}

void screen_share(const struct screen *s, const char *name, const char *state, uint32_t part,
                  uint32_t whole, const char *words)
{
    const char *colour = s->colour ? text_colour(slice_str(state)) : NULL;
    printf("     %-2s %s%-8s%s ", name, colour != NULL ? colour : "", state,
           colour != NULL ? "\033[0m" : "");
    print_bar(s, part, whole, SHARE_WIDTH);
    printf(" %s\n", words);
}

/* How many bytes of the text go on one line: all, or those before the last blank that fits. */
static size_t line_bytes(const char *text)
{
    size_t n = strlen(text);
    if (n <= NOTE_WIDTH)
        return n;
    for (n = NOTE_WIDTH; n > 0 && text[n] != ' '; n--)
        ;
    return n > 0 ? n : NOTE_WIDTH;
}

void screen_note(const struct screen *s, const char *format, ...)
{
    char text[512];
    va_list args;
    if (s->quiet)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *colour = s->colour ? text_colour(slice_str(text)) : NULL;
    for (const char *rest = text; *rest != '\0';) {
        size_t n = line_bytes(rest);
        printf("     %s%.*s%s\n", colour != NULL ? colour : "", (int)n, rest,
               colour != NULL ? "\033[0m" : "");
        rest += n + (rest[n] == ' ');
    }
}
