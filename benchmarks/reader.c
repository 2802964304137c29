/* The consumer of the output measures: `reader ENDS` reads stdin, up to 1 MiB at a time, until it has seen as many
 * tildes. Then it prints how long each at sign's moment lay back when it was read, a line each, in nanoseconds; and
 * at last the moment now (CLOCK_MONOTONIC, nanoseconds) and how many bytes and lines it read. It reads on until
 * there is nobody left who writes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK (1 << 20)
#define DIGITS 19 /* of a moment: fewer are those of a line that the runner has torn */
#define LONGEST 32 /* an at sign and its moment */
#define MOST 100000

static char block[LONGEST + BLOCK + 1];
static long long ages[MOST];
static long aged;

static long long moment(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long occurrences(const char *from, const char *end, int sought)
{
    long count = 0;

    while ((from = memchr(from, sought, (size_t)(end - from))) != NULL) {
        count++;
        from++;
    }
    return count;
}

/* Note the age of each moment between `from` and `end`; where one begins whose line is not there yet, else `end`. */
static const char *note(const char *from, const char *end, long long now)
{
    while ((from = memchr(from, '@', (size_t)(end - from))) != NULL) {
        if (end - from < LONGEST && memchr(from, '\n', (size_t)(end - from)) == NULL)
            return from;
        from++;
        if (strspn(from, "0123456789") == DIGITS && aged < MOST)
            ages[aged++] = now - atoll(from);
    }
    return end;
}

int main(int argc, char **argv)
{
    long wanted = argc == 2 ? atol(argv[1]) : 1, ends = 0, lines = 0, number;
    long long now = 0, bytes = 0;
    size_t kept = 0;
    ssize_t got;

    while (ends < wanted) {
        const char *fresh = block + kept, *end, *rest;

        if ((got = read(0, block + kept, BLOCK)) <= 0)
            return 1;
        now = moment();
        end = fresh + got;
        block[kept + (size_t)got] = '\0';
        bytes += got;
        lines += occurrences(fresh, end, '\n');
        ends += occurrences(fresh, end, '~');
        rest = note(block, end, now);
        kept = (size_t)(end - rest);
        memmove(block, rest, kept);
    }
    for (number = 0; number < aged; number++)
        printf("%lld\n", ages[number]);
    printf("%lld %lld %ld\n", now, bytes, lines);
    fclose(stdout);
    while (read(0, block, BLOCK) > 0)
        ;
    return 0;
}
