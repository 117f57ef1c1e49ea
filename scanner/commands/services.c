/* SPDX-License-Identifier: MIT */
/* services.c: the command that prints the protocol table. */
#define _GNU_SOURCE
#include <argp.h>
#include <stdio.h>

#include "protocols/dialogue.h"
#include "protocols/services.h"
#include "scanner/commands/command.h"
#include "scanner/commands/confine.h"
#include "scanner/usage.h"

static error_t on_option(int key, char *argument, struct argp_state *state)
{
    (void)argument;
    if (key == ARGP_KEY_INIT)
        state->child_inputs[0] = state->input;
    return key == ARGP_KEY_INIT ? 0 : ARGP_ERR_UNKNOWN;
}

int command_services(int argc, char **argv)
{
    static const struct argp_child children[] = {{&sandbox_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    static const struct argp argp = {
        NULL,     on_option, NULL, "Prints the protocol table: what is asked on which port.",
        children, NULL,      NULL};
    enum sandbox_mode sandbox = sandbox_mode_default();

    argp_err_exit_status = EXIT_TROUBLE;
    parse_arguments(&argp, argc, argv, &sandbox);
    if (!confine_printer(sandbox))
        return EXIT_TROUBLE;
    printf("%-10s%-10s%s\n", "PROTOCOL", "MODE", "PORT");
    for (size_t i = 0; i < services_table_count; i++)
        printf("%-10s%-10s%u\n", services_table[i].protocol->name,
               mode_name(services_table[i].mode), (unsigned)services_table[i].port);
    return finish_stdout();
}
