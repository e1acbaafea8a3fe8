/* Callers of an OpenAI-compatible server on 127.0.0.1, in one thread. Prints one line of JSON; times in microseconds.
 *
 *     load closed PORT REQUEST CALLERS SECONDS        each asks again as soon as it is answered
 *     load rate   PORT REQUEST CALLERS SECONDS RATE   RATE requests a second in all; latency from when each should have been sent
 *     load stream PORT REQUEST CALLERS SECONDS        each reads streams of `upstream`; the delay of every event but the first
 *
 * REQUEST is a file that holds one raw HTTP request. Callers of streams begin spread over the first second, whose delays do not count.
 */
#define _GNU_SOURCE
#include <fcntl.h>
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

#define STAMP 21 /* "@T" and 19 digits */

typedef enum { IDLE, HEAD, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER } State;

typedef struct {
    int socket, status, chunked, last_chunk, stamped, head_length, line_length, tail_length;
    State state;
    long left;
    uint64_t asked_ns;
    char head[16384], line[64], tail[STAMP];
} Caller;

typedef struct {
    double *values;
    size_t count, room;
} Sample;

static int port, streaming, rate, polling, callers, idle_count;
static char request[65536];
static size_t request_length;
static uint64_t counted_from_ns, end_ns, *late; /* requests of a fixed rate that no caller was free for */
static long late_first, late_last, answered, refused, broken, events;
static Sample latency, delay;
static Caller *all;
static int *idle;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void keep(Sample *sample, double us) {
    if (sample->count == sample->room) sample->values = realloc(sample->values, (sample->room += 65536) * sizeof(double));
    sample->values[sample->count++] = us;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double quantile(Sample *sample, double share) {
    if (!sample->count) return -1;
    qsort(sample->values, sample->count, sizeof(double), ascending);
    return sample->values[(size_t)(share * (sample->count - 1) + 0.5)];
}

static void ask(Caller *c, uint64_t due_ns) {
    if (c->socket < 0) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct epoll_event want = {.events = EPOLLIN, .data.ptr = c};
        int one = 1;
        c->socket = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (connect(c->socket, (void *)&at, sizeof at)) {
            perror("load");
            exit(1);
        }
        fcntl(c->socket, F_SETFL, O_NONBLOCK);
        epoll_ctl(polling, EPOLL_CTL_ADD, c->socket, &want);
    }
    c->state = HEAD;
    c->stamped = c->head_length = c->line_length = c->tail_length = 0;
    c->asked_ns = due_ns;
    if (send(c->socket, request, request_length, MSG_NOSIGNAL) != (ssize_t)request_length) broken++;
}

static void next(Caller *c) {
    c->state = IDLE;
    if (now_ns() >= end_ns) return;
    if (!rate) ask(c, now_ns());
    else if (late_first < late_last) ask(c, late[late_first++]);
    else idle[idle_count++] = c - all;
}

static void finish(Caller *c, uint64_t at_ns) {
    if (c->status != 200) refused++;
    else if (at_ns >= counted_from_ns) {
        answered++;
        keep(&latency, (at_ns - c->asked_ns) / 1e3);
    }
    next(c);
}

/* Find the stamps in the body, also those that two reads cut apart. */
static void look(Caller *c, const char *data, long length, uint64_t at_ns) {
    static char text[65536 + STAMP];
    memcpy(text, c->tail, c->tail_length);
    memcpy(text + c->tail_length, data, length);
    long size = c->tail_length + length, at = 0, seen = 0;
    for (char *found; (found = memmem(text + at, size - at, "@T", 2)) && (at = found - text) + STAMP <= size; at = seen = at + STAMP) {
        char digits[STAMP - 1];
        memcpy(digits, found + 2, STAMP - 2);
        digits[STAMP - 2] = 0;
        events++;
        if (at_ns >= counted_from_ns && c->stamped) keep(&delay, ((double)at_ns - (double)strtoull(digits, NULL, 10)) / 1e3);
        c->stamped = 1;
    }
    long rest = size - seen;
    if (rest > STAMP - 1) rest = STAMP - 1;
    memcpy(c->tail, text + size - rest, c->tail_length = rest);
}

/* Returns how many of the bytes belonged to the head; the state says whether it is whole. */
static long take_head(Caller *c, const char *data, long length) {
    long before = c->head_length, room = sizeof c->head - 1 - before;
    memcpy(c->head + before, data, length < room ? length : room);
    c->head_length += length < room ? length : room;
    c->head[c->head_length] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) return length;
    end[2] = 0;
    char *stated = strcasestr(c->head, "\ncontent-length:");
    c->status = atoi(c->head + 9);
    c->chunked = strcasestr(c->head, "\ntransfer-encoding: chunked") != NULL;
    c->left = stated ? atol(stated + 16) : 0;
    c->state = c->chunked ? CHUNK_SIZE : BODY;
    return end + 4 - c->head - before;
}

static void take(Caller *c, const char *data, long length, uint64_t at_ns) {
    while (length > 0 || (c->state == BODY && !c->left)) {
        long used = 1;
        if (c->state == IDLE) return;
        if (c->state == HEAD) {
            used = take_head(c, data, length);
        } else if (c->state == BODY || c->state == CHUNK) {
            used = c->left < length ? c->left : length;
            if (streaming) look(c, data, used, at_ns);
            c->left -= used;
            if (!c->left && c->state == CHUNK) c->state = CHUNK_END;
            else if (!c->left) {
                finish(c, at_ns);
                return;
            }
        } else if (c->state == CHUNK_SIZE && *data == '\n') {
            c->line[c->line_length] = 0;
            c->line_length = 0;
            c->left = strtol(c->line, NULL, 16);
            c->state = c->left ? CHUNK : TRAILER;
        } else if (c->state == CHUNK_SIZE) {
            if (c->line_length < 63) c->line[c->line_length++] = *data;
        } else if (c->state == CHUNK_END) {
            if (*data == '\n') c->state = CHUNK_SIZE;
        } else if (*data == '\n') { /* of a trailer: an empty line is the end */
            if (!c->line_length) {
                finish(c, at_ns);
                return;
            }
            c->line_length = 0;
        } else if (*data != '\r') {
            c->line_length = 1;
        }
        data += used;
        length -= used;
    }
}

static void read_from(Caller *c) {
    static char data[65536];
    long n = recv(c->socket, data, sizeof data, MSG_DONTWAIT);
    if (n > 0) {
        take(c, data, n, now_ns());
        return;
    }
    close(c->socket);
    c->socket = -1;
    if (c->state != IDLE) {
        broken++;
        next(c);
    }
}

int main(int count, char **arguments) {
    if (count < 6) return 2;
    signal(SIGPIPE, SIG_IGN);
    streaming = !strcmp(arguments[1], "stream");
    port = atoi(arguments[2]);
    callers = atoi(arguments[4]);
    double seconds = atof(arguments[5]);
    rate = !strcmp(arguments[1], "rate") ? atoi(arguments[6]) : 0;
    FILE *file = fopen(arguments[3], "rb");
    if (!file || !(request_length = fread(request, 1, sizeof request, file))) return 2;
    all = calloc(callers, sizeof *all);
    idle = calloc(callers, sizeof *idle);
    late = calloc((size_t)((seconds + 1) * rate + 1), sizeof *late);
    polling = epoll_create1(0);
    for (int i = 0; i < callers; i++) all[i].socket = -1;
    for (int i = 0; rate && i < callers; i++) idle[idle_count++] = i;
    uint64_t start_ns = now_ns(), warm_ns = streaming ? 1000000000ull : 0;
    counted_from_ns = start_ns + warm_ns;
    end_ns = counted_from_ns + seconds * 1e9;
    long begun = 0;
    struct epoll_event ready[512];
    for (uint64_t now; (now = now_ns()) < end_ns;) {
        while (!rate && begun < callers && now - start_ns >= warm_ns * begun / callers) ask(&all[begun++], now);
        for (uint64_t due; rate && now >= (due = start_ns + begun * (1000000000ull / rate)); begun++) {
            if (idle_count) ask(&all[idle[--idle_count]], due);
            else late[late_last++] = due;
        }
        int n = epoll_wait(polling, ready, 512, rate || begun < callers ? 1 : 100);
        for (int i = 0; i < n; i++) read_from(ready[i].data.ptr);
    }
    printf("{\"answered\":%ld,\"refused\":%ld,\"broken\":%ld,\"unsent\":%ld,\"events\":%ld,\"latency_us\":{\"p50\":%.1f,\"p99\":%.1f},"
           "\"delay_us\":{\"p50\":%.1f,\"p99\":%.1f}}\n",
           answered, refused, broken, late_last - late_first, events, quantile(&latency, 0.5), quantile(&latency, 0.99),
           quantile(&delay, 0.5), quantile(&delay, 0.99));
    return 0;
}
