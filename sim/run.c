#include "sim/run.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>

struct run {
    const struct run_options *o;
    struct run_result *r;
    struct world world;
    struct schedule schedule; /* of all rounds */
    struct schedule planned;  /* the faults of this round, with the times at which they come */
    struct load load;
    struct members_check members;
    struct hints_check hints;
    struct votes_check votes;
    struct answers_check answers;
    struct restarts_check restarts;
    struct story story;
    bool early;        /* the faults come while the cluster forms */
    uint32_t rounds;   /* how many rounds there are */
    uint64_t quiet_ms; /* when the owners compare: nothing was written for a while before */
};

/* ---- The world's news ---- */

static void on_trace(void *arg, uint32_t node, const struct trace *t)
{
    struct run *run = arg;
    if (t->kind == TRACE_LAYOUT_ADOPTED)
        votes_adopted(&run->votes, node);
    story_trace(&run->story, node, t);
}

static void on_reply(void *arg, uint32_t client, const char *op, uint32_t key, uint32_t value,
                     struct slice reply)
{
    story_client(&((struct run *)arg)->story, client, "%s k%" PRIu32 " v%" PRIu32 " %.*s", op, key,
                 value, (int)reply.n, (const char *)reply.p);
}

static void on_member(void *arg, uint32_t observer, const struct member_info *m)
{
    members_observe(&((struct run *)arg)->members, observer, m);
}

/* Whether no disk of this run loses anything that it had reported as synced. */
static bool disks_sound(const struct run *run)
{
    for (uint32_t i = 0; i < run->schedule.n; i++)
        if (fault_damages(run->schedule.fault[i].kind))
            return false;
    return true;
}

static void on_life(void *arg, uint32_t node, bool up)
{
    struct run *run = arg;
    members_life(&run->members, node, up);
    if (up && disks_sound(run))
        restarts_started(&run->restarts, node);
    story_power(&run->story, node, up);
}

static void on_losing(void *arg, uint32_t node)
{
    hints_check_losing(&((struct run *)arg)->hints, node);
    restarts_losing(&((struct run *)arg)->restarts, node);
}

static void on_striking(void *arg, uint32_t node)
{
    hints_check_striking(&((struct run *)arg)->hints, node);
}

static void on_result(void *arg, uint32_t node, const struct event *ev)
{
    hints_check_result(&((struct run *)arg)->hints, node, ev);
    story_result(&((struct run *)arg)->story, node, ev);
}

static void on_action(void *arg, uint32_t node, const struct action *a)
{
    struct run *run = arg;
    story_action(&run->story, node, a);
    hints_check_action(&run->hints, node, a);
    if (a->kind != ACT_SEND)
        return;
    votes_sent(&run->votes, node, &a->send.message);
    answers_sent(&run->answers, node, a->send.to, &a->send.message);
}

static void on_client(void *arg, uint32_t client)
{
    load_client(&((struct run *)arg)->load, client);
}

static void on_hung_up(void *arg, uint32_t client)
{
    load_hung_up(&((struct run *)arg)->load, client);
}

/* ---- Phases ---- */

/* Notes which rule broke; the first one counts. Always false. */
static bool broke(struct run *run, const char *what)
{
    if (!run->r->what)
        run->r->what = what;
    return false;
}

static bool broken(struct run *run)
{
    const struct {
        const struct buf *why;
        const char *rule;
    } check[] = {
        {&run->members.why, "membership"}, {&run->load.history.why, "history"},
        {&run->load.why, "durability"},    {&run->hints.why, "hints"},
        {&run->votes.why, "votes"},        {&run->answers.why, "answers"},
        {&run->restarts.why, "restarts"},
    };
    for (unsigned i = 0; i < sizeof check / sizeof check[0]; i++) {
        if (check[i].why->n == 0)
            continue;
        if (run->r->why.n == 0)
            CHECK(!buf_slice(&run->r->why, buf_view(check[i].why)));
        (void)broke(run, check[i].rule);
        return true;
    }
    return false;
}

static void do_fault(struct run *run, const struct sim_event *ev)
{
    const struct fault *f = &run->planned.fault[ev->node];
    story_fault(&run->story, ev->node, ev->life == 0);
    world_fault(&run->world, f, ev->life == 0);
}

/* Lets the world go on until then, or until `done` is true; false when a rule broke. */
static bool go_on(struct run *run, uint64_t until_us, bool (*done)(struct run *))
{
    struct sim_event ev;
    uint64_t look_us = run->world.now_us;
    while (world_next(&run->world, until_us, &ev)) {
        if (ev.kind == SIM_FAULT)
            do_fault(run, &ev);
        if (broken(run))
            return false;
        if (run->world.now_us < look_us)
            continue;
        look_us = run->world.now_us + 50000;
        if (load_hanging(&run->load) >= 0) {
            CHECK(!buf_printf(&run->r->why, "client c%" PRId64 " got no answer within %d ms",
                              load_hanging(&run->load), LOAD_ANSWER_MS));
            return broke(run, "a client hangs");
        }
        if (done && done(run))
            return true;
    }
    return !broken(run);
}

static bool agreed(struct run *run)
{
    return members_agree(&run->members, NULL);
}

static bool silent(struct run *run)
{
    return load_pending(&run->load) == 0;
}

static bool quiet(struct run *run)
{
    return hints_quiet(&run->hints) && atlas_healed(&run->world.atlas, NULL) &&
           members_healthy(&run->members, NULL);
}

static bool expect(struct run *run, bool (*fact)(struct run *), uint32_t within_ms,
                   const char *what)
{
    if (!go_on(run, run->world.now_us + (uint64_t)within_ms * 1000, fact))
        return false;
    if (fact(run))
        return true;
    CHECK(!buf_printf(&run->r->why, "%s within %" PRIu32 " ms: ", what, within_ms));
    if (members_agree(&run->members, &run->r->why) && atlas_healed(&run->world.atlas, &run->r->why))
        (void)members_healthy(&run->members, &run->r->why);
    return broke(run, what);
}

/* Draws the schedule, or takes the one that was given. */
static void get_schedule(struct run *run, uint32_t from_ms, uint32_t until_ms)
{
    const struct run_options *o = run->o;
    struct schedule_options so = {.seed = o->seed,
                                  .nodes = o->nodes,
                                  .from_ms = from_ms,
                                  .until_ms = until_ms,
                                  .loss = o->loss,
                                  .kinds = o->kinds};
    if (o->schedule)
        run->schedule = *o->schedule;
    else if (o->faults || o->loss)
        schedule_draw(&run->schedule, &so);
    run->r->schedule = run->schedule;
    run->members.no_excuse = true;
    for (uint32_t i = 0; i < run->schedule.n; i++)
        run->members.no_excuse &= fault_spares_gossip(run->schedule.fault[i].kind);
    if (o->story && run->schedule.n) {
        struct buf b;
        buf_init(&b, 1 << 20);
        schedule_print(&run->schedule, &b);
        printf("%.*s", (int)b.n, (const char *)b.p);
        buf_close(&b);
    }
}

/* Plans the faults of the schedule from from_ms to until_ms, each late_ms later than it stands
 * there: the schedule does not count the quiet time before this round. No fault lasts longer than
 * the round. */
static void plan_faults(struct run *run, uint32_t from_ms, uint32_t until_ms, uint32_t late_ms)
{
    run->planned.n = 0;
    for (uint32_t i = 0; i < run->schedule.n; i++) {
        struct fault f = run->schedule.fault[i];
        if (f.from_ms >= until_ms || f.until_ms < from_ms)
            continue;
        f.from_ms = (f.from_ms < from_ms ? from_ms : f.from_ms) + late_ms;
        f.until_ms = f.until_ms > until_ms ? until_ms + late_ms : f.until_ms + late_ms;
        uint64_t begin_us = (uint64_t)f.from_ms * 1000, end_us = (uint64_t)f.until_ms * 1000,
                 now_us = run->world.now_us;
        /* a fault of a given schedule may end before the cluster has formed */
        begin_us = begin_us < now_us ? now_us : begin_us;
        end_us = end_us < now_us ? now_us : end_us;
        heap_push(
            &run->world.heap,
            &(struct sim_event){.at_us = begin_us, .kind = SIM_FAULT, .node = run->planned.n});
        heap_push(&run->world.heap,
                  &(struct sim_event){
                      .at_us = end_us, .kind = SIM_FAULT, .node = run->planned.n, .life = 1});
        run->planned.fault[run->planned.n++] = f;
    }
}

/* When the last fault ends, but not before at_least_us. */
static uint64_t faults_over_us(const struct run *run, uint64_t at_least_us)
{
    uint64_t until_us = at_least_us;
    for (uint32_t i = 0; i < run->planned.n; i++)
        if ((uint64_t)run->planned.fault[i].until_ms * 1000 > until_us)
            until_us = (uint64_t)run->planned.fault[i].until_ms * 1000;
    return until_us;
}

static bool form(struct run *run)
{
    for (uint32_t i = 0; i < run->o->nodes; i++)
        world_start_node(&run->world, i, rng_below(&run->world.seed_rng, 1500000));
    if (run->early) {
        get_schedule(run, 0, run->o->time_ms);
        plan_faults(run, 0, UINT32_MAX, 0);
        if (!go_on(run, faults_over_us(run, (uint64_t)run->o->time_ms * 1000), agreed) ||
            !expect(run, agreed, CONVERGE_MS, "the cluster did not form after healing"))
            return false;
    } else if (!expect(run, agreed, FORM_MS, "the cluster did not form")) {
        return false;
    }
    run->r->formed_ms = world_now_ms(&run->world);
    if (!run->early)
        get_schedule(run, (uint32_t)run->r->formed_ms + 1,
                     (uint32_t)run->r->formed_ms + run->o->time_ms);
    return true;
}

/* Round k: clients work while its part of the faults comes and goes. */
static bool work(struct run *run, uint32_t k)
{
    uint32_t formed_ms = (uint32_t)run->r->formed_ms, part_ms = run->o->time_ms / run->rounds;
    uint32_t from_ms = formed_ms + k * part_ms, now_ms = (uint32_t)world_now_ms(&run->world);
    if (!run->early)
        plan_faults(run, k ? from_ms : 0,
                    k + 1 < run->rounds ? from_ms + part_ms : UINT32_MAX - now_ms,
                    now_ms - from_ms);
    uint64_t until_us = faults_over_us(run, run->world.now_us + (uint64_t)part_ms * 1000);
    if (run->o->clients)
        load_start(&run->load);
    /* In half of the runs the clients stop while the faults go on. Then the last write of many a
     * key has missed an owner, and no later write hides that. */
    uint64_t quiet_us =
        run->o->seed % 2 ? rng_below(&run->world.seed_rng, (until_us - run->world.now_us) / 2 + 1)
                         : 0;
    if (!go_on(run, until_us - quiet_us, NULL))
        return false;
    if (quiet_us)
        load_stop(&run->load);
    return go_on(run, until_us + 1, NULL);
}

static bool heal(struct run *run)
{
    uint64_t from_ms = world_now_ms(&run->world);
    if (!expect(run, agreed, CONVERGE_MS, "the members did not agree after healing"))
        return false;
    run->r->converged_ms = world_now_ms(&run->world) - from_ms;
    load_stop(&run->load);
    return expect(run, silent, LOAD_ANSWER_MS, "clients are still waiting");
}

/* Judges what hints alone have done, before any read repairs a key. */
static bool converge(struct run *run)
{
    if (!expect(run, quiet, HINTS_QUIET_MS,
                "hints are left, or writes that wait for an owner, or an owner is recovering, or a "
                "verdict is not healthy"))
        return false;
    run->r->hints = run->hints.dropped;
    return hints_converged(&run->hints) || !broken(run);
}

static bool compared(struct run *run)
{
    return owners_compared(&run->world, run->quiet_ms);
}

static bool erased(struct run *run)
{
    return owners_erased(&run->world, NULL);
}

/* Every pair of owners compares, and there is some time to erase what is over. */
static bool compare_once(struct run *run)
{
    /* no record is young then, by the slowest clock either */
    run->quiet_ms = world_now_ms(&run->world) + 2 * REPAIR_YOUNG_MS;
    if (!go_on(run, run->quiet_ms * 1000, NULL) ||
        !expect(run, compared, COMPARE_MS, "not every pair of owners compared what it holds"))
        return false;
    return go_on(run, run->world.now_us + (uint64_t)ERASED_MS * 1000, erased);
}

/* Twice if need be: a flush that some owners missed makes new deletions of what the others
 * bring. */
static bool compare(struct run *run)
{
    if (!compare_once(run) || (!erased(run) && !compare_once(run)))
        return false;
    if (!owners_erased(&run->world, &run->r->why))
        return broke(run, "what is over was not erased");
    return owners_equal(&run->world, &run->r->why) || broke(run, "the owners differ");
}

static bool judge(struct run *run)
{
    uint64_t reads = run->load.reads;
    for (uint32_t key = 0; run->o->clients && key < run->load.history.key_n; key++) {
        load_read(&run->load, key, key % run->o->nodes);
        if (!expect(run, silent, LOAD_ANSWER_MS, "a last read was not answered"))
            return false;
        if (run->load.reads != ++reads) {
            CHECK(!buf_printf(&run->r->why,
                              "key k%" PRIu32 " cannot be read through n%" PRIu32 " after healing",
                              key, key % run->o->nodes));
            return broke(run, "a key cannot be read");
        }
    }
    return true;
}

/* All that must hold when the faults of a round are over. */
static bool settle(struct run *run)
{
    /* reads find what the faults left behind; later they find what became of it by anti-entropy and
     * erasing */
    bool reads_first = run->o->seed % 2;
    if (!heal(run) || !converge(run))
        return false;
    if ((reads_first && !judge(run)) || !compare(run) || !judge(run))
        return false;
    hints_check_settled(&run->hints);
    return true;
}

static bool play(struct run *run)
{
    if (!form(run))
        return false;
    for (uint32_t k = 0; k < run->rounds; k++)
        if (!work(run, k) || !settle(run))
            return false;
    return true;
}

static struct run run; /* large, and one at a time */

static void close_all(void)
{
    run.world.watch = (struct world_watch){0};
    world_close(&run.world);
    members_close(&run.members);
    hints_check_close(&run.hints);
    votes_close(&run.votes);
    answers_close(&run.answers);
    restarts_close(&run.restarts);
    load_close(&run.load);
    story_close(&run.story);
}

void run_abandon(void)
{
    close_all();
    buf_close(&run.r->why);
}

static void open_all(const struct run_options *o)
{
    world_init(&run.world, &(struct world_options){.seed = o->seed,
                                                   .nodes = o->nodes,
                                                   .clients = o->clients,
                                                   .profile = SWIM_LOCAL,
                                                   .check = o->check,
                                                   .erase_age_ms = ERASE_AGE_MS,
                                                   .hint_age_ms = o->seed % 4 ? ERASE_AGE_MS : 0,
                                                   .repair_manual = o->seed % 2});
    story_init(&run.story, &run.world, &(struct story_options){.log = o->story, .words = o->words});
    members_init(&run.members, &run.world);
    hints_check_init(&run.hints, &run.world, RUN_KEYS);
    votes_init(&run.votes, &run.world);
    answers_init(&run.answers, &run.world);
    restarts_init(&run.restarts, &run.world);
    load_init(&run.load, &run.world, o->seed, RUN_KEYS, o->hot);
    /* with fewer nodes R is 1: a read may see what one owner alone holds */
    run.load.history.only_acks = o->nodes < 3;
    run.load.replied = on_reply;
    run.load.replied_arg = &run;
    run.load.commands_max = o->commands;
    run.world.watch = (struct world_watch){.arg = &run,
                                           .trace = on_trace,
                                           .member = on_member,
                                           .life = on_life,
                                           .losing = on_losing,
                                           .striking = on_striking,
                                           .result = on_result,
                                           .action = on_action,
                                           .client = on_client,
                                           .hung_up = on_hung_up};
}

static void sum_up(struct run_result *r)
{
    r->hash = run.story.hash;
    r->events = run.world.events;
    r->steps = run.world.steps;
    r->packets = run.world.packets;
    r->messages = run.world.messages;
    r->writes_ok = run.load.ok;
    r->writes_failed = run.load.failed;
    r->writes_unknown = run.load.unknown;
    r->reads = run.load.reads;
    for (uint32_t i = 0; i < run.o->nodes; i++)
        r->erased += run.world.node[i].up ? run.world.node[i].node.shard.erase.erased : 0;
    for (uint32_t i = 0; i < run.o->nodes; i++)
        r->repaired += run.world.node[i].node.shard.repair.info.sent +
                       run.world.node[i].node.shard.repair.info.received;
    r->deaths = run.members.deaths;
    r->false_deaths = run.members.false_deaths;
}

void run_seed(const struct run_options *o, struct run_result *r)
{
    *r = (struct run_result){0};
    buf_init(&r->why, 8192);
    run = (struct run){.o = o, .r = r, .early = o->faults && o->seed % 4 == 0};
    run.rounds = !run.early && o->seed % 3 == 0 ? 2 : 1;
    open_all(o);
    r->ok = play(&run);
    if (!r->ok)
        (void)broke(&run, "another rule");
    sum_up(r);
    close_all();
}
