/* A server of known truth: an OpenAI-compatible endpoint that emits tokens at exact times and logs when.

   One thread, one epoll, one heap of due times. Log record per answer, little endian:
     i64 request received (kernel time where the system gives it), u32 chunks, then per chunk
     i64 time before send(), u32 tokens.   All times CLOCK_REALTIME in ns.
   SIGTERM ends it; the log is flushed with every answer. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <math.h>

#define MAX_CONN 65536
#define NS 1000000000LL
typedef int64_t i64;

static struct options { int port; double ttft_ms, itl_ms, jitter_ms; int per_chunk, tick, default_tokens; uint64_t seed; const char *log; } opt;

struct conn {
    int fd, heap;                 /* place in the heap, -1 when idle */
    char *in; size_t used, room;  /* the request as far as it has come */
    i64 due, received;            /* next emission (monotonic), arrival of the request (wall) */
    int chat, stream, usage, continuous, left, total, prompt, header_sent;
    i64 *sent; uint32_t *tokens; int chunks, space;
    uint64_t id;
};
static struct conn *conns[MAX_CONN];
static struct conn **heap; static int heap_n, heap_room;
static FILE *logfile; static volatile sig_atomic_t stopping; static uint64_t next_id, answers;

static i64 clock_ns(clockid_t c) { struct timespec t; clock_gettime(c, &t); return t.tv_sec * NS + t.tv_nsec; }
static uint64_t rnd(void) { opt.seed ^= opt.seed << 13; opt.seed ^= opt.seed >> 7; opt.seed ^= opt.seed << 17; return opt.seed; }
static void on_signal(int s) { (void)s; stopping = 1; }

static void heap_put(int i, struct conn *c) { heap[i] = c; c->heap = i; }
static void heap_up(int i) {
    struct conn *c = heap[i];
    while (i && heap[(i - 1) / 2]->due > c->due) { heap_put(i, heap[(i - 1) / 2]); i = (i - 1) / 2; }
    heap_put(i, c);
}
static void heap_down(int i) {
    struct conn *c = heap[i];
    for (;;) {
        int k = 2 * i + 1;
        if (k >= heap_n) break;
        if (k + 1 < heap_n && heap[k + 1]->due < heap[k]->due) k++;
        if (heap[k]->due >= c->due) break;
        heap_put(i, heap[k]); i = k;
    }
    heap_put(i, c);
}
static void heap_add(struct conn *c) {
    if (heap_n == heap_room) heap = realloc(heap, (heap_room = heap_room ? 2 * heap_room : 1024) * sizeof *heap);
    heap_put(heap_n, c); heap_up(heap_n++);
}
static void heap_remove(struct conn *c) {
    int i = c->heap; c->heap = -1; heap_n--;
    if (i < heap_n) { heap_put(i, heap[heap_n]); heap_down(i); heap_up(heap[i]->heap); }
}

static void write_log(struct conn *c) {
    if (!logfile || !c->chunks) return;
    uint32_t n = c->chunks;
    fwrite(&c->received, 8, 1, logfile); fwrite(&n, 4, 1, logfile);
    for (int i = 0; i < c->chunks; i++) { fwrite(&c->sent[i], 8, 1, logfile); fwrite(&c->tokens[i], 4, 1, logfile); }
    fflush(logfile);
}
static void drop(struct conn *c) {
    if (c->heap >= 0) { heap_remove(c); write_log(c); }
    conns[c->fd] = NULL; close(c->fd); free(c->in); free(c->sent); free(c->tokens); free(c);
}

/* All of it, waiting if the client's buffer is full: a client that stalls the truth is its own fault, and seen. */
static int send_all(int fd, const char *data, size_t n) {
    while (n) {
        ssize_t k = send(fd, data, n, MSG_NOSIGNAL);
        if (k < 0) { if (errno == EAGAIN) { usleep(50); continue; } return -1; }
        data += k; n -= k;
    }
    return 0;
}

static i64 step_ns(void) {
    double ms = opt.itl_ms;
    if (opt.jitter_ms > 0) ms += opt.jitter_ms * (2.0 * (rnd() >> 11) / 9007199254740992.0 - 1.0);
    return (i64)(ms * 1e6);
}
static i64 on_tick(i64 t) {
    if (!opt.tick) return t;
    i64 step = (i64)(opt.itl_ms * 1e6);
    return (t + step - 1) / step * step;
}

static int find_int(const char *body, const char *key, int otherwise) {
    const char *p = strstr(body, key);
    if (!p) return otherwise;
    p += strlen(key);
    while (*p == ' ' || *p == ':') p++;
    return atoi(p);
}
static int is_true(const char *body, const char *key) {
    const char *p = strstr(body, key);
    if (!p) return 0;
    p += strlen(key);
    while (*p == ' ' || *p == ':') p++;
    return *p == 't';
}
static int count_prompt(const char *body) {
    const char *p = strstr(body, "\"prompt\""), *end;
    int words = 1, ids;
    if (!p && !(p = strstr(body, "\"content\""))) return 0;
    p = strchr(p + 8, ':'); if (!p) return 0;
    p++; while (*p == ' ') p++;
    ids = *p == '[';
    if (*p == '"') p++;
    for (end = p; *end && *end != (ids ? ']' : '"'); end++) if (*end == (ids ? ',' : ' ')) words++;
    return end == p ? 0 : words;
}

static int event(struct conn *c, char *out, int tokens, int last) {
    char body[4096], text[2048]; int n = 0, k = tokens < 64 ? tokens : 64;
    int produced = c->total - c->left;
    for (int i = 0; i < k; i++) memcpy(text + 6 * i, " token", 6);
    text[6 * k] = 0;
    n = snprintf(body, sizeof body, "data: {\"id\":\"cmpl-%016llx\",\"object\":\"%s\",\"created\":1795476431,\"model\":\"truth\",\"choices\":[{\"index\":0,",
                 (unsigned long long)c->id, c->chat ? "chat.completion.chunk" : "text_completion");
    n += snprintf(body + n, sizeof body - n, c->chat ? "\"delta\":{\"content\":\"%s\"}," : "\"text\":\"%s\",", text);
    n += snprintf(body + n, sizeof body - n, "\"logprobs\":null,\"finish_reason\":%s,\"stop_reason\":null}]", last ? "\"length\"" : "null");
    if (c->continuous)
        n += snprintf(body + n, sizeof body - n, ",\"usage\":{\"prompt_tokens\":%d,\"total_tokens\":%d,\"completion_tokens\":%d}", c->prompt, c->prompt + produced, produced);
    n += snprintf(body + n, sizeof body - n, "}\n\n");
    int h = sprintf(out, "%x\r\n", n);
    memcpy(out + h, body, n); memcpy(out + h + n, "\r\n", 2);
    return h + n + 2;
}
static int ending(struct conn *c, char *out) {
    char body[512]; int n = 0, at = 0;
    if (c->usage) {
        n = snprintf(body, sizeof body, "data: {\"id\":\"cmpl-%016llx\",\"object\":\"chunk\",\"model\":\"truth\",\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"total_tokens\":%d,\"completion_tokens\":%d}}\n\n",
                     (unsigned long long)c->id, c->prompt, c->prompt + c->total, c->total);
        at = sprintf(out, "%x\r\n%s\r\n", n, body);
    }
    return at + sprintf(out + at, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
}
static int whole(struct conn *c, char *out) {
    char body[1024];
    int n = snprintf(body, sizeof body, "{\"id\":\"cmpl-%016llx\",\"object\":\"x\",\"model\":\"truth\",\"choices\":[{\"index\":0,%s,\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":%d,\"total_tokens\":%d,\"completion_tokens\":%d}}",
                     (unsigned long long)c->id, c->chat ? "\"message\":{\"role\":\"assistant\",\"content\":\"tokens\"}" : "\"text\":\"tokens\"", c->prompt, c->prompt + c->total, c->total);
    return sprintf(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n, body);
}
static void finished(struct conn *c) { write_log(c); answers++; c->chunks = 0; }
static void note(struct conn *c, int tokens) {
    if (c->chunks == c->space) {
        c->space = c->space ? 2 * c->space : 128;
        c->sent = realloc(c->sent, c->space * 8); c->tokens = realloc(c->tokens, c->space * 4);
    }
    c->tokens[c->chunks] = tokens; c->sent[c->chunks++] = clock_ns(CLOCK_REALTIME);
}

static void emit(struct conn *c) {
    char out[8192]; int n = 0;
    int k = c->left < opt.per_chunk ? c->left : opt.per_chunk;
    heap_remove(c);
    if (!c->stream) {
        n = whole(c, out); note(c, c->total); c->left = 0;
        if (send_all(c->fd, out, n)) { drop(c); return; }
        finished(c); return;
    }
    if (!c->header_sent) {
        n = sprintf(out, "HTTP/1.1 200 OK\r\ndate: Mon, 23 Nov 2026 23:27:11 GMT\r\nserver: truth\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n");
        c->header_sent = 1;
    }
    c->left -= k;
    n += event(c, out + n, k, c->left == 0);
    note(c, k);
    if (send_all(c->fd, out, n)) { drop(c); return; }
    if (c->left) {
        /* The next time counts from the last due time, not from now: lateness never adds up. */
        c->due += opt.jitter_ms > 0 ? step_ns() : (i64)(opt.itl_ms * 1e6);
        if (opt.per_chunk > 1) for (int i = 1; i < k; i++) c->due += (i64)(opt.itl_ms * 1e6);
        heap_add(c); return;
    }
    n = ending(c, out);
    if (send_all(c->fd, out, n)) { drop(c); return; }
    finished(c);
}

static void small_answer(struct conn *c, const char *status, const char *body) {
    char out[2048];
    int n = snprintf(out, sizeof out, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
    send_all(c->fd, out, n);
}
static void request(struct conn *c, char *head, char *body) {
    c->chat = strstr(head, "/chat/completions ") != NULL;
    if (!c->chat && !strstr(head, "/completions ")) {
        if (strstr(head, "/models ")) small_answer(c, "200 OK", "{\"object\":\"list\",\"data\":[{\"id\":\"truth\",\"object\":\"model\"}]}");
        else if (strstr(head, "/stats ")) {
            struct rusage u; char text[256]; getrusage(RUSAGE_SELF, &u);
            snprintf(text, sizeof text, "{\"answers\":%llu,\"running\":%d,\"cpu_s\":%.3f}", (unsigned long long)answers, heap_n,
                     u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
            small_answer(c, "200 OK", text);
        } else if (strstr(head, "/health ")) small_answer(c, "200 OK", "{}");
        else small_answer(c, "404 Not Found", "{\"error\":{\"message\":\"no such path\"}}");
        return;
    }
    c->stream = is_true(body, "\"stream\"");
    c->usage = is_true(body, "\"include_usage\"");
    c->continuous = is_true(body, "\"continuous_usage_stats\"");
    c->total = find_int(body, "\"max_completion_tokens\"", find_int(body, "\"max_tokens\"", opt.default_tokens));
    if (c->total < 1) c->total = 1;
    c->left = c->total; c->prompt = count_prompt(body); c->header_sent = 0; c->id = ++next_id; c->chunks = 0;
    i64 wall = clock_ns(CLOCK_REALTIME), mono = clock_ns(CLOCK_MONOTONIC);
    if (!c->received) c->received = wall;
    c->due = on_tick(mono - (wall - c->received) + (i64)(opt.ttft_ms * 1e6));
    if (!c->stream) c->due += (i64)((c->total - 1) * opt.itl_ms * 1e6);
    heap_add(c);
}
static void readable(struct conn *c) {
    char control[64]; struct iovec v; struct msghdr m;
    if (c->room - c->used < 16384) c->in = realloc(c->in, (c->room = 2 * c->room + 32768) + 1);
    v.iov_base = c->in + c->used; v.iov_len = c->room - c->used;
    memset(&m, 0, sizeof m); m.msg_iov = &v; m.msg_iovlen = 1; m.msg_control = control; m.msg_controllen = sizeof control;
    ssize_t n = recvmsg(c->fd, &m, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) { drop(c); return; }
    c->received = 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h))
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec t; memcpy(&t, CMSG_DATA(h), sizeof t); c->received = t.tv_sec * NS + t.tv_nsec;
        }
    c->used += n; c->in[c->used] = 0;
    char *body = strstr(c->in, "\r\n\r\n");
    if (!body) return;
    body += 4;
    char *length = strcasestr(c->in, "content-length:");
    size_t need = length && length < body ? strtoul(length + 15, NULL, 10) : 0;
    if (c->used - (body - c->in) < need) return;
    body[-1] = 0;
    if (c->heap < 0) request(c, c->in, body);
    c->used = 0;
}

static void accept_all(int listener, int ep) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
        if (fd < 0) return;
        if (fd >= MAX_CONN) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
        struct conn *c = calloc(1, sizeof *c);
        c->fd = fd; c->heap = -1; conns[fd] = c;
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    }
}
static void options(int argc, char **argv) {
    opt = (struct options){.ttft_ms = 50, .itl_ms = 20, .per_chunk = 1, .default_tokens = 128, .seed = 88172645463325252ULL};
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *k = argv[i], *v = argv[i + 1];
        if (!strcmp(k, "--port")) opt.port = atoi(v);
        else if (!strcmp(k, "--ttft-ms")) opt.ttft_ms = atof(v);
        else if (!strcmp(k, "--itl-ms")) opt.itl_ms = atof(v);
        else if (!strcmp(k, "--jitter-ms")) opt.jitter_ms = atof(v);
        else if (!strcmp(k, "--tokens-per-chunk")) opt.per_chunk = atoi(v);
        else if (!strcmp(k, "--tick")) opt.tick = atoi(v);
        else if (!strcmp(k, "--tokens")) opt.default_tokens = atoi(v);
        else if (!strcmp(k, "--seed")) opt.seed ^= strtoull(v, NULL, 10) * 0x9E3779B97F4A7C15ULL;
        else if (!strcmp(k, "--log")) opt.log = v;
        else { fprintf(stderr, "unknown option %s\n", k); exit(2); }
    }
    if (opt.per_chunk < 1) opt.per_chunk = 1;
}

int main(int argc, char **argv) {
    options(argc, argv);
    struct rlimit files; getrlimit(RLIMIT_NOFILE, &files); files.rlim_cur = files.rlim_max; setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGTERM, on_signal); signal(SIGINT, SIG_IGN); signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (opt.log && !(logfile = fopen(opt.log, "wb"))) { perror(opt.log); return 1; }
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(opt.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&a, size) || listen(listener, 4096)) { perror("bind"); return 1; }
    getsockname(listener, (struct sockaddr *)&a, &size);
    printf("%d\n", ntohs(a.sin_port)); fflush(stdout);
    int ep = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}, ready[256];
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
    e.data.fd = timer; epoll_ctl(ep, EPOLL_CTL_ADD, timer, &e);
    i64 armed = 0;
    while (!stopping) {
        /* A few emissions, then the sockets: neither starves the other. */
        for (int k = 0; k < 64 && heap_n && heap[0]->due <= clock_ns(CLOCK_MONOTONIC); k++) emit(heap[0]);
        int wait = heap_n && heap[0]->due <= clock_ns(CLOCK_MONOTONIC) ? 0 : -1;
        if (wait && heap_n && heap[0]->due != armed) {
            armed = heap[0]->due;
            struct itimerspec t = {.it_value = {armed / NS, armed % NS}};
            timerfd_settime(timer, TFD_TIMER_ABSTIME, &t, NULL);
        }
        int n = epoll_wait(ep, ready, 256, wait);
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd; uint64_t expired;
            if (fd == listener) accept_all(listener, ep);
            else if (fd == timer) { if (read(timer, &expired, 8) < 0) {} armed = 0; }
            else if (conns[fd]) readable(conns[fd]);
        }
    }
    if (logfile) fclose(logfile);
    return 0;
}
