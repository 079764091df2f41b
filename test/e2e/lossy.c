/* lossy.c: see lossy.h. */
#include "lossy.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static const char *const ADDRESS[E2E_NODES] = {"127.7.0.1", "127.7.0.2", "127.7.0.3", "127.7.0.4",
                                               "127.7.0.5"};

/* The present namespace as a file. */
static int present(void)
{
    return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static void enter(struct cluster *c, int ns)
{
    e2e_check(c, setns(ns, CLONE_NEWNET) == 0);
}

/* A new namespace, which the process is in then; -1 where it may not have one. */
static int make(void)
{
    return unshare(CLONE_NEWNET) == 0 ? present() : -1;
}

/* The 127.0.0.0/8 of lo would keep packets for other addresses of that net at home. */
#define WITHOUT_LO    "ip link set lo up && ip addr flush dev lo && "
#define MAY_LEAVE(at) "echo 1 >/proc/sys/net/ipv4/conf/" at "/route_localnet"

static bool lay_bridge(struct cluster *c)
{
    return e2e_shell(c, WITHOUT_LO
                     "ip link add covey0 type bridge && ip addr add 127.7.0.254/24 dev covey0 && "
                     "ip link set covey0 up && " MAY_LEAVE(
                         "covey0") " && nft add table bridge covey") == 0;
}

/* The cable is made at the node's end, and its other end given to the shell's namespace. */
static bool lay_cable(struct lossy *l, struct cluster *c, unsigned i)
{
    return e2e_shell(c,
                     "in='nsenter --net=/proc/%d/fd/%d'; $in ip link add eth0 type veth peer name "
                     "node%u netns $$ && "
                     "ip link set node%u master covey0 up && $in sh -c '" WITHOUT_LO
                     "ip addr add %s/24 dev eth0 && ip link set eth0 up && " MAY_LEAVE("eth0") "'",
                     (int)getpid(), l->node[i], i, i, ADDRESS[i]) == 0;
}

static bool lay(struct lossy *l, struct cluster *c)
{
    bool well = lay_bridge(c);
    for (unsigned i = 0; well && i < E2E_NODES; i++)
        well = lay_cable(l, c, i);
    if (!well)
        printf("skipped: this machine has no bridge for network namespaces with iproute2 and "
               "nftables: %s",
               c->text);
    return well;
}

bool lossy_open(struct lossy *l, struct cluster *c)
{
    *l = (struct lossy){.home = present(), .here = make()};
    if (l->here < 0) {
        printf("skipped: a network namespace cannot be made here, which takes root\n");
        close(l->home);
        return false;
    }
    l->open = true;
    for (unsigned i = 0; i < E2E_NODES; i++) {
        l->node[i] = make();
        e2e_check(c, l->node[i] >= 0);
        c->node_host[i] = ADDRESS[i];
    }
    enter(c, l->here);
    return lay(l, c);
}

void lossy_close(struct lossy *l)
{
    if (!l->open)
        return;
    if (setns(l->home, CLONE_NEWNET) != 0)
        abort(); /* the stories after this one would run in a network that is no more */
    for (unsigned i = 0; i < E2E_NODES; i++)
        close(l->node[i]);
    close(l->here);
    close(l->home);
    l->open = false;
}

void lossy_start(struct lossy *l, struct cluster *c)
{
    char seed[32];
    snprintf(seed, sizeof seed, "%s:%u", ADDRESS[0], e2e_port(c, 0));
    for (unsigned i = 0; i < E2E_NODES; i++) {
        enter(c, l->node[i]);
        if (i == 0)
            e2e_start(c, i, "--new", NULL);
        else
            e2e_start(c, i, "--seed", seed, NULL);
        enter(c, l->here);
    }
    e2e_await_healthy(c, E2E_NODES);
}

void lossy_strike(struct cluster *c, unsigned node, unsigned percent)
{
    /* One transaction of nft: the table begins anew. */
    int status = e2e_shell(c,
                           "nft -f - <<END\n"
                           "delete table bridge covey\n"
                           "table bridge covey {\n"
                           "    chain forward {\n"
                           "        type filter hook forward priority 0\n"
                           "        iifname node%u numgen random mod 100 < %u drop\n"
                           "        oifname node%u numgen random mod 100 < %u drop\n"
                           "    }\n"
                           "}\n"
                           "END",
                           node, percent, node, percent);
    if (status != 0)
        e2e_fail(c, __FILE__, __LINE__, "nft: %s", c->text);
}
