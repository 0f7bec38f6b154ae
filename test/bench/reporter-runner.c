/*
 * Starts a program again and again and times it from outside: posix_spawn to the accepted connection of its probe, and to its end;
 * CPU time and peak memory from wait4. Prints one line a run: connect_us exit_us cpu_us peak_kb status.
 * Usage: reporter-runner RUNS PROGRAM [ARGS...]; PROBE_TARGET is set to the runner's own port.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

int main(int argc, char **argv) {
  if (argc < 3) return 1;
  int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof address;
  if (bind(server, (struct sockaddr *)&address, length) || listen(server, 64)) return 1;
  getsockname(server, (struct sockaddr *)&address, &length);
  char target[64];
  snprintf(target, sizeof target, "127.0.0.1:%d", ntohs(address.sin_port));
  setenv("PROBE_TARGET", target, 1);
  for (int run = atoi(argv[1]); run > 0; run--) {
    pid_t pid;
    long begin = now_us();
    if (posix_spawn(&pid, argv[2], NULL, NULL, argv + 2, environ)) return 1;
    int connection = accept(server, NULL, NULL);
    long accepted = now_us();
    int status;
    struct rusage usage;
    wait4(pid, &status, 0, &usage);
    long ended = now_us();
    close(connection);
    long cpu = usage.ru_utime.tv_sec * 1000000L + usage.ru_utime.tv_usec + usage.ru_stime.tv_sec * 1000000L + usage.ru_stime.tv_usec;
    printf("%ld %ld %ld %ld %d\n", accepted - begin, ended - begin, cpu, usage.ru_maxrss, WEXITSTATUS(status));
    fflush(stdout);
  }
  return 0;
}
