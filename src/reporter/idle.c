/*
 * What a reporter becomes once it has reported: a process that waits for SIGTERM and costs nothing. With a port as its argument it
 * answers connections there (the setting LISTEN), one at a time, as the reporter did.
 * Build: cc -static -Os -s -o datapath-idle idle.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void leave(int signal) {
  (void)signal;
  _exit(0);
}

/* Opens the listening socket; -1 where that can't be. An empty host is every address, of IPv6 too where the kernel has it. */
static int open_listener(const char *host, int port) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)port)};
  int is_any = host[0] == 0, on = 1, off = 0, server = -1;
  if (is_any || inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) server = socket(AF_INET6, SOCK_STREAM, 0);
  int is_v6 = server >= 0;
  if (!is_v6) {
    if (!is_any && inet_pton(AF_INET, host, &v4.sin_addr) != 1) return -1;
    server = socket(AF_INET, SOCK_STREAM, 0);
  }
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (is_v6) setsockopt(server, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  int failed = is_v6 ? bind(server, (struct sockaddr *)&v6, sizeof v6) : bind(server, (struct sockaddr *)&v4, sizeof v4);
  return failed || listen(server, 64) ? -1 : server;
}

/* Usage: datapath-idle [HOST PORT] */
int main(int argc, char **argv) {
  static const char answer[] =
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
  struct sigaction action = {.sa_handler = leave};
  sigset_t none;
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);

  int server = argc < 3 ? -1 : open_listener(argv[1], atoi(argv[2]));
  while (server >= 0) {
    char request[1024];
    struct timeval patience = {.tv_sec = 1};
    int peer = accept(server, NULL, NULL);
    if (peer < 0) continue;
    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (read(peer, request, sizeof request) > 0 && write(peer, answer, sizeof answer - 1) > 0) shutdown(peer, SHUT_WR);
    close(peer);
  }
  for (;;) pause();
}
