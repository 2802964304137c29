/* The producer of the output measures: `writer KIND COUNT MARKS GATE`.
 * It reports pid and moment to the FIFO MARKS, as mark.c does. Then it waits until somebody opens the FIFO GATE for
 * writing, so that nothing is written before all are up. It writes COUNT lines (0: for ever) and a last one with a
 * tilde; then it sleeps until a signal ends it.
 *   bulk  log lines of 80 bytes through stdio's buffer, as a program writes whose stdout is no terminal
 *   line  the same, one write(2) for each
 *   tick  every 10 ms a line with an at sign and its moment, CLOCK_MONOTONIC in nanoseconds */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define APART (10L * 1000 * 1000)

static long long moment(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int report(const char *path)
{
    char line[80];
    long long now = moment();
    int fifo = open(path, O_WRONLY);
    int length = snprintf(line, sizeof line, "%d %lld.%09lld\n", (int)getpid(), now / 1000000000, now % 1000000000);
    int whole = fifo >= 0 && write(fifo, line, (size_t)length) == length;

    close(fifo);
    return whole;
}

static void tick(void)
{
    const struct timespec apart = {0, APART};

    nanosleep(&apart, NULL);
    printf("@%019lld\n", moment());
}

/* What a logger does for a line: ask for the time, format it, then the rest. */
static void talk(long number)
{
    struct timespec now;
    struct tm day;
    char seconds[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &day);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &day);
    printf("%s.%06ldZ %08ld INFO %-37s\n", seconds, now.tv_nsec / 1000, number, "GET /articles/42 200, 12 ms, db 3 ms");
}

int main(int argc, char **argv)
{
    long count, number;

    if (argc != 5 || !report(argv[3]) || open(argv[4], O_RDONLY) < 0)
        return 1;
    if (strcmp(argv[1], "bulk") != 0)
        setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    count = atol(argv[2]);
    for (number = 1; count == 0 || number <= count; number++) {
        if (strcmp(argv[1], "tick") == 0)
            tick();
        else
            talk(number);
    }
    printf("~\n");
    fflush(stdout);
    for (;;)
        pause();
}
