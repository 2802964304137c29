/* The benchmarks' child: its first act is to read the clock, its second to write its pid and that moment to the
 * FIFO it is given. Then it sleeps until a signal ends it. As `mark FIFO stubborn` it answers TERM with another such
 * line and sleeps on, until KILL; it has real-time priority, where that is allowed, so that it hears both at once on a
 * busy machine. CLOCK_MONOTONIC is the clock of Python's time.monotonic(). */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int fifo;

static int report(struct timespec now)
{
    char line[80];
    int length = snprintf(line, sizeof line, "%d %lld.%09ld\n", (int)getpid(), (long long)now.tv_sec, now.tv_nsec);

    return write(fifo, line, (size_t)length) == length;
}

static void on_term(int number)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    (void)number;
    report(now);
}

int main(int argc, char **argv)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (argc < 2 || (fifo = open(argv[1], O_WRONLY)) < 0)
        return 1;
    if (argc > 2) {
        const struct sched_param lowest = {1};

        sched_setscheduler(0, SCHED_FIFO, &lowest);
        signal(SIGTERM, on_term);
    }
    if (!report(now))
        return 1;
    for (;;)
        pause();
}
