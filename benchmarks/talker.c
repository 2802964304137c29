/* The soak's child: `talker SECONDS` writes a few lines every 50 ms, some of them long, some unfinished, for a random
 * time of 1 to SECONDS seconds, or until TERM. Then it crashes in one of four ways: exit 3, SIGSEGV, abort(), or
 * exit 3 with a grandchild left behind, in its session or in one of its own. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t told;

static void on_term(int number)
{
    (void)number;
    told = 1;
}

static void talk(void)
{
    static char line[20000];
    int length = rand() % 40 == 0 ? (int)sizeof line : 10 + rand() % 90;
    int finished = rand() % 10 != 0;

    memset(line, 'a' + rand() % 26, (size_t)length);
    if (finished)
        line[length - 1] = '\n';
    if (write(1, line, (size_t)length) < 0)
        exit(1);
}

static void leave_somebody_behind(void)
{
    if (fork() != 0)
        return;
    signal(SIGTERM, SIG_DFL);
    if (rand() % 2)
        setsid();
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    const struct timespec pause_ = {0, 50 * 1000 * 1000};
    struct timespec now;
    long rounds;

    clock_gettime(CLOCK_MONOTONIC, &now);
    srand((unsigned)(now.tv_nsec ^ ((long)getpid() << 12)));
    rounds = 20 + rand() % (20 * (argc > 1 ? atoi(argv[1]) : 15) - 19);
    signal(SIGTERM, on_term);
    for (; rounds > 0 && !told; rounds--) {
        for (int lines = 1 + rand() % 3; lines > 0; lines--)
            talk();
        nanosleep(&pause_, NULL);
    }
    switch (rand() % 4) {
    case 0:
        raise(SIGSEGV);
        break;
    case 1:
        abort();
    case 2:
        leave_somebody_behind();
    }
    return 3;
}
