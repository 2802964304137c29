/* The benchmarks' child: its first act is to read the clock, its second to write that to the FIFO it is given.
 * Then it sleeps until a signal ends it. CLOCK_MONOTONIC is the clock of Python's time.monotonic(). */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct timespec now;
    char line[64];
    int fifo, length;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (argc != 2 || (fifo = open(argv[1], O_WRONLY)) < 0)
        return 1;
    length = snprintf(line, sizeof line, "%lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
    if (write(fifo, line, (size_t)length) != length)
        return 1;
    close(fifo);
    for (;;)
        pause();
}
