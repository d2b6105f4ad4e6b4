/*
 * The command line: one table of commands, their flags and exit codes. The door of this folder.
 */
#ifndef GATEHOUSE_CLI_CLI_H
#define GATEHOUSE_CLI_CLI_H

/* Exit codes, the same for every command. */
enum exit_code {
    EXIT_FINE = 0,       /* serving, or done */
    EXIT_FAILED = 1,     /* the thing failed; the cause is printed */
    EXIT_USAGE = 2,      /* wrong arguments or configuration */
    EXIT_TIMEOUT = 3,    /* waited long enough */
    EXIT_SUPERSEDED = 4, /* a newer revision took over */
    EXIT_UNREACHABLE = 5 /* no server, or its data is stale */
};

/* Runs the command that argv names; returns the exit code. Thread: main. */
int cli_main(int argc, char **argv);

#endif
