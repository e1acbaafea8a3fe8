/* A stand-in for a model API that costs next to nothing: what is measured beside it is the gateway in front of it.
 *
 *     upstream PORT EVENTS INTERVAL_US
 *
 * A request without "stream": true gets a chat completion of about 600 bytes at once. A stream gets EVENTS events of about 200
 * bytes, one each INTERVAL_US, then its usage and [DONE]. The text of an event is "@T" and the monotonic clock in ns, in 19 digits,
 * read just before it is sent: a reader on the same machine sees how long the event was under way.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_BYTES 65536
#define CHUNK "{\"id\":\"chatcmpl-0123456789abcdef0123456789\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"m\","
#define USAGE "\"usage\":{\"prompt_tokens\":57,\"completion_tokens\":100,\"total_tokens\":157}}"

typedef struct Caller {
    int socket, filled, events_left, closed;
    uint64_t due_ns;
    struct Caller *next; /* in the queue of streams: all have one interval, so the queue is in order of time */
    char request[REQUEST_BYTES + 1];
} Caller;

static Caller *first, *last;
static int events;
static uint64_t interval_ns;
static char whole[2048];

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void enqueue(Caller *c, uint64_t due_ns) {
    c->due_ns = due_ns;
    c->next = NULL;
    if (last) last->next = c;
    else first = c;
    last = c;
}

static void say(Caller *c, const char *text, size_t length) {
    if (!c->closed && send(c->socket, text, length, MSG_NOSIGNAL) != (ssize_t)length) shutdown(c->socket, SHUT_RDWR);
}

static void say_chunk(Caller *c, const char *text) {
    char chunk[2048];
    say(c, chunk, sprintf(chunk, "%zx\r\n%s\r\n", strlen(text), text));
}

static void answer(Caller *c);

/* The stream at the head of the queue is due: one more event, or its end. */
static void step(Caller *c) {
    char text[1024];
    if (c->closed) {
        free(c);
    } else if (c->events_left-- > 0) {
        sprintf(text, "data: " CHUNK "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"@T%019llu\"},\"finish_reason\":null}]}\n\n",
                (unsigned long long)now_ns());
        say_chunk(c, text);
        enqueue(c, c->due_ns + interval_ns);
    } else {
        c->events_left = 0;
        say_chunk(c, "data: " CHUNK "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                     "data: " CHUNK "\"choices\":[]," USAGE "\n\ndata: [DONE]\n\n");
        say(c, "0\r\n\r\n", 5);
        answer(c);
    }
}

/* Answer the request that has come in whole, if one has. */
static void answer(Caller *c) {
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    c->request[c->filled] = 0;
    char *end = strstr(c->request, "\r\n\r\n"), *length = strcasestr(c->request, "\ncontent-length:");
    if (!end) return;
    long body = length && length < end ? atol(length + 16) : 0, size = end + 4 + body - c->request;
    if (c->filled < size) return;
    char *stream = memmem(end, body + 4, "\"stream\"", 8);
    int streamed = stream && strspn(stream + 8, " :") && stream[8 + strspn(stream + 8, " :")] == 't';
    memmove(c->request, c->request + size, c->filled -= size);
    if (!streamed) {
        say(c, whole, strlen(whole));
    } else {
        say(c, head, sizeof head - 1);
        c->events_left = events;
        enqueue(c, now_ns()); /* a little out of order at worst, by less than one round of the loop */
    }
}

static int listen_on(int port) {
    int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (void *)&at, sizeof at) || listen(s, 4096)) {
        perror("upstream");
        exit(1);
    }
    return s;
}

static void read_from(Caller *c) {
    ssize_t n = recv(c->socket, c->request + c->filled, REQUEST_BYTES - c->filled, MSG_DONTWAIT);
    if (n > 0) {
        c->filled += n;
        if (!c->events_left) answer(c);
        return;
    }
    close(c->socket);
    c->closed = 1;
    for (Caller *streaming = first; streaming; streaming = streaming->next)
        if (streaming == c) return; /* the queue lets go of it when its turn comes */
    free(c);
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    events = atoi(arguments[2]);
    interval_ns = atoll(arguments[3]) * 1000;
    signal(SIGPIPE, SIG_IGN);
    char words[512], body[1024];
    for (size_t i = 0; i < 330; i++) words[i] = "lorem ipsum "[i % 12];
    words[330] = 0;
    sprintf(body, "{\"id\":\"chatcmpl-0123456789abcdef0123456789\",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"m\","
                  "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"finish_reason\":\"stop\"}]," USAGE, words);
    sprintf(whole, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    int listening = listen_on(atoi(arguments[1])), poll = epoll_create1(0), one = 1;
    struct epoll_event ready[512], want = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poll, EPOLL_CTL_ADD, listening, &want);
    for (;;) {
        int n = epoll_wait(poll, ready, 512, first ? 1 : 1000);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.ptr) {
                read_from(ready[i].data.ptr);
                continue;
            }
            for (int s; (s = accept(listening, NULL, NULL)) >= 0;) {
                setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                Caller *c = calloc(1, sizeof *c);
                c->socket = s;
                want.data.ptr = c;
                epoll_ctl(poll, EPOLL_CTL_ADD, s, &want);
            }
        }
        for (uint64_t now = now_ns(); first && first->due_ns <= now;) {
            Caller *c = first;
            if (!(first = c->next)) last = NULL;
            step(c);
        }
    }
}
