/* The file that a container runtime executes under a plugin's name: hands the call to a warm server (cni-vethd) and
 * exits with the code it is told, or executes the program beside it, cni-veth, which does the same by itself.
 *
 * Messages of the SOCK_SEQPACKET socket; docs/architecture.md has the reasons:
 *   launcher BUILD NUL umask NUL name NUL environment NUL..., with stdin, stderr, network and mount namespace, directory
 *   server   D  declined | E<code><document>  the end | R<code><document>  the result of an ADD, which waits for K or N
 *   launcher K  printed | N  nobody took it | a byte that is a signal's number
 * stdin and stderr are memfds: a request that nobody accepts would hold the caller's own, whose end a runtime awaits.
 * Whoever seals stdin has the call: a worker that takes it, or the launcher when it has waited enough. Its mode
 * becomes 0 when an ADD has begun: broken off from there on it leaves something behind. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET "/run/cni-veth/cni-vethd.sock" /* CNI_VETH_SOCKET names another one; empty: none */
enum { BUSY_MS = 1000, VERSION_MS = 200, STDIN_LIMIT = 16 << 20, FDS = 5, VARIABLES = 1000 };

extern char **environ;
static const int ENDING[] = {SIGTERM, SIGINT, SIGHUP};
static int server = -1, input = -1, told = -1; /* the memfds: what descriptor 0 is now, what becomes of 2 */
static volatile sig_atomic_t ended_by;

static void pass_on(int number) {
    char byte = (char)number;
    int kept = errno;
    ended_by = number;
    send(server, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    errno = kept;
}

static void on_ending(void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    for (int i = 0; i < 3; i++) sigaction(ENDING[i], &action, NULL);
}

static int print(const char *text, size_t length) {
    signal(SIGPIPE, SIG_IGN);
    for (ssize_t n; length > 0; text += n, length -= (size_t)n)
        if ((n = write(1, text, length)) < 0) return -1;
    return 0;
}

static _Noreturn void fail(const char *what, const char *which, const char *hint) {
    char text[PATH_MAX + 256];
    int length = snprintf(text, sizeof text, "{\"cniVersion\":\"1.1.0\",\"code\":5,\"msg\":\"cannot %s%s\",\"details\":\"%s%s\"}\n",
                          what, which, strerror(errno), hint);
    print(text, (size_t)length);
    exit(1);
}

/* What the worker wrote to its copy of stderr. */
static void relay(void) {
    char part[4096];
    ssize_t n;
    if (told < 0 || lseek(told, 0, SEEK_SET) < 0) return;
    while ((n = read(told, part, sizeof part)) > 0 && write(2, part, (size_t)n) > 0) continue;
}

static int is_verb(const char *name) { return strcmp(getenv("CNI_COMMAND") ? getenv("CNI_COMMAND") : "", name) == 0; }

static _Noreturn void standalone(char **argv) {
    char path[PATH_MAX + sizeof "cni-veth"] = "";
    struct stat status;
    int is_broken = input == 0 && fstat(0, &status) == 0 && (status.st_mode & 0777) == 0;
    int is_finished_first = is_broken || is_verb("DEL") || is_verb("GC");
    on_ending(ended_by && is_finished_first ? SIG_IGN : SIG_DFL);
    if (ended_by && !is_finished_first) raise(ended_by); /* it went to a server that does not serve us */
    if (is_broken) setenv("CNI_VETH_TAKE_OVER", ended_by ? "end" : "go on", 1); /* a worker had begun and is gone */
    if (input == 0) lseek(0, 0, SEEK_SET); /* it may have been read */
    relay();
    if (readlink("/proc/self/exe", path, PATH_MAX) < 0) fail("read ", "/proc/self/exe", "");
    strcpy(strrchr(path, '/') + 1, "cni-veth");
    execv(path, argv);
    fail("execute ", path, "; is cni-veth installed as a whole?");
}

/* Whether stdin has something to read, be it its end. Nobody need send anything for VERSION. */
static int has_input(int is_version) {
    struct pollfd any = {.fd = 0, .events = POLLIN};
    return poll(&any, 1, is_version ? VERSION_MS : -1) > 0;
}

/* Descriptor 0 becomes a copy that both the server and, should that fail, the standalone can read from its beginning.
 * -1 where nothing can be read. */
static int copy_stdin(void) {
    static char part[1 << 16];
    int copy = memfd_create("stdin", MFD_ALLOW_SEALING), is_version = is_verb("VERSION");
    if (copy < 0) return -1;
    for (ssize_t n, size = 0; size < STDIN_LIMIT && has_input(is_version); size += n) {
        if ((n = read(0, part, sizeof part)) < 0 && is_version) break;
        if (n < 0) fail("read the network configuration from stdin", "", ""); /* Python starts on no directory */
        if (write(copy, part, (size_t)n) != n) fail("copy stdin", "", "");
        if (n == 0 || is_version) break;
    }
    if (lseek(copy, 0, SEEK_SET) < 0 || (input = dup2(copy, 0)) < 0) fail("copy stdin", "", "");
    return close(copy);
}

/* A connection to a server that may be busy, or -1. */
static int reach(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("CNI_VETH_SOCKET");
    if (!path) path = SOCKET;
    if (!*path || strlen(path) >= sizeof address.sun_path) return -1;
    strcpy(address.sun_path, path);
    int found = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connect(found, (struct sockaddr *)&address, sizeof address) == 0 && fcntl(found, F_SETFL, 0) == 0) return found;
    close(found);
    return -1;
}

/* Connect and send the call; -1 where that cannot be done. */
static int ask(const char *name) {
    char build[] = BUILD, mask[16];
    struct iovec parts[VARIABLES + 3] = {{build, sizeof build}, {mask, 0}, {(char *)name, strlen(name) + 1}};
    union { char bytes[CMSG_SPACE(FDS * sizeof(int))]; struct cmsghdr align; } control = {{0}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    int fds[FDS] = {0, told = memfd_create("stderr", MFD_CLOEXEC), open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC),
                    open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)};
    mode_t kept = umask(0);
    umask(kept);
    parts[1].iov_len = (size_t)snprintf(mask, sizeof mask, "%o", kept) + 1;
    for (char **variable = environ; *variable; variable++) {
        if (message.msg_iovlen == VARIABLES + 3) return -1;
        parts[message.msg_iovlen++] = (struct iovec){*variable, strlen(*variable) + 1};
    }
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(rights), fds, sizeof fds);
    if (copy_stdin() < 0 || (server = reach()) < 0) return -1; /* in this order: no worker shall wait for stdin */
    on_ending(pass_on);
    return sendmsg(server, &message, MSG_NOSIGNAL) < 0 ? -1 : 0; /* too long, or a descriptor that could not be opened */
}

int main(int argc, char **argv) {
    const char *verb = getenv("CNI_COMMAND"), *name = argc > 0 ? strrchr(argv[0], '/') : NULL;
    struct pollfd answer = {.events = POLLIN};
    int ready;
    /* Arguments, and a call without verb, are for people. */
    if (argc != 1 || !verb || !*verb || isatty(0) || fcntl(0, F_GETFD) < 0 || fcntl(1, F_GETFD) < 0 ||
        fcntl(2, F_GETFD) < 0 || ask(name ? name + 1 : argv[0]) < 0)
        standalone(argv);
    answer.fd = server;
    while ((ready = poll(&answer, 1, BUSY_MS)) < 0) continue; /* a signal */
    if (ready == 0 && fcntl(0, F_ADD_SEALS, F_SEAL_SEAL) == 0) standalone(argv);
    ssize_t length = recv(server, NULL, 0, MSG_PEEK | MSG_TRUNC);
    char *reply = length > 1 ? malloc((size_t)length) : NULL; /* shorter: it is declined, or the worker is gone */
    if (!reply || recv(server, reply, (size_t)length, 0) != length) standalone(argv);
    relay();
    int code = reply[1] - '0', is_printed = print(reply + 2, (size_t)length - 2) == 0;
    if (*reply == 'R') send(server, is_printed ? "K" : "N", 1, MSG_NOSIGNAL); /* a worker that was killed has undone nothing */
    if (*reply == 'R' && !is_printed && recv(server, reply, 1, 0) <= 0) { /* that it is undone */
        ended_by = SIGHUP;
        standalone(argv);
    }
    return is_printed ? code : 1;
}
