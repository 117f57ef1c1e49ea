/* SPDX-License-Identifier: MIT */
/* services.c: the command that prints the protocol table. */
#include <argp.h>
#include <stdio.h>

#include "protocols/dialogue.h"
#include "protocols/services.h"
#include "scanner/commands/command.h"
#include "scanner/usage.h"

int command_services(int argc, char **argv)
{
    static const struct argp argp = {
        NULL, NULL, NULL, "Prints the protocol table: what is asked on which port.",
        NULL, NULL, NULL};

    argp_err_exit_status = EXIT_TROUBLE;
    parse_arguments(&argp, argc, argv, NULL);
    printf("%-10s%-10s%s\n", "PROTOCOL", "MODE", "PORT");
    for (size_t i = 0; i < services_table_count; i++)
        printf("%-10s%-10s%u\n", services_table[i].protocol->name,
               mode_name(services_table[i].mode), (unsigned)services_table[i].port);
    return finish_stdout();
}
