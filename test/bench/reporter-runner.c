/*
 * Starts a program again and again and times it from outside: posix_spawn to the accepted connection of its probe, and to its end; CPU
 * time and peak memory from wait4, memory at the first probe from /proc. One line a run, in microseconds and KiB:
 * connect exit cpu peak probe_peak probe_private status
 * Usage: reporter-runner RUNS PROGRAM [ARGS...]; PROBE_TARGET is set to the runner's own port.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static long field_kb(const char *status, const char *name) {
  const char *at = strstr(status, name);
  return at ? atol(at + strlen(name)) : 0;
}

int main(int argc, char **argv) {
  if (argc < 3) return 1;
  int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof address;
  struct timeval patience = {.tv_sec = 10};
  if (bind(server, (struct sockaddr *)&address, length) || listen(server, 64)) return 1;
  setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
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
    if (connection < 0) return 1;
    char path[64], status_text[8192] = "";
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    if (file) {
      status_text[fread(status_text, 1, sizeof status_text - 1, file)] = 0;
      fclose(file);
    }
    int status;
    struct rusage usage;
    wait4(pid, &status, 0, &usage);
    long ended = now_us();
    close(connection);
    long cpu = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000L + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    printf("%ld %ld %ld %ld %ld %ld %d\n", accepted - begin, ended - begin, cpu, usage.ru_maxrss,
           field_kb(status_text, "VmHWM:"), field_kb(status_text, "RssAnon:"), WEXITSTATUS(status));
    fflush(stdout);
  }
  return 0;
}
