/* cmd.h: what runs the commands of the table. Each runs with its request in s->request, its number of arguments checked, and
 * either writes s->reply or calls session_ask. Nobody but command.c needs this. */
#ifndef COVEY_FRONT_CMD_H
#define COVEY_FRONT_CMD_H

#include "front/session_ops.h"

#define RUN(name) void name(struct session *s, const struct command *c);
/* cmd_connection.c */
RUN(cmd_auth)
RUN(cmd_client_accept) /* what only concerns Redis's own memory management: OK */
RUN(cmd_client_getname)
RUN(cmd_client_id)
RUN(cmd_client_info)
RUN(cmd_client_list)
RUN(cmd_client_setinfo)
RUN(cmd_client_setname)
RUN(cmd_echo)
RUN(cmd_hello)
RUN(cmd_ping)
RUN(cmd_quit)
RUN(cmd_reset)
RUN(cmd_select)
/* cmd_command.c */
RUN(cmd_command)
RUN(cmd_command_count)
RUN(cmd_command_docs)
RUN(cmd_command_getkeys)
RUN(cmd_command_info)
RUN(cmd_command_list)
RUN(cmd_help) /* of any parent */
/* cmd_server.c */
RUN(cmd_config_get)
RUN(cmd_info)
RUN(cmd_time)
/* cmd_data.c */
RUN(cmd_consistency)
RUN(cmd_dbsize)
RUN(cmd_del)
RUN(cmd_exists)
RUN(cmd_flush)
RUN(cmd_get)
RUN(cmd_mget)
RUN(cmd_mset)
RUN(cmd_strlen)
RUN(cmd_type)
/* cmd_expire.c */
RUN(cmd_expire)
RUN(cmd_expireat)
RUN(cmd_expiretime)
RUN(cmd_persist)
RUN(cmd_pexpire)
RUN(cmd_pexpireat)
RUN(cmd_pexpiretime)
RUN(cmd_psetex)
RUN(cmd_pttl)
RUN(cmd_set)
RUN(cmd_setex)
RUN(cmd_ttl)
/* cmd_cluster.c */
RUN(cmd_hints)
RUN(cmd_members)
RUN(cmd_ring)
RUN(cmd_subscribe)
RUN(cmd_unsubscribe)
RUN(cmd_where)
/* cmd_backup.c */
RUN(cmd_backup)
/* cmd_repair.c */
RUN(cmd_repair)
/* cmd_status.c */
RUN(cmd_status)
#undef RUN

/* Helpers that several of them need. */

/* For writes whose only answer is that there was no error. */
void cmd_answer_stored(struct reply *r, struct session_op *op, const struct result *result);

/* Any case. */
bool cmd_is(struct slice arg, const char *word);

/* A decimal int64, all of it; false when it is none. */
bool cmd_integer(struct slice arg, int64_t *n);

/* A client's or library's name may hold printable ASCII without blanks; copies it. False, with an error replied, when it does
 * not fit. */
bool cmd_name(struct session *s, struct slice arg, const char *what, char out[SESSION_NAME_MAX], uint8_t *out_n);

#endif
