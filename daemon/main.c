/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arguments and verbs.
 */
#include "base/pathset.h"
#include "bind.h"
#include "core/roles.h"
#include "daemon.h"
#include "os/mounts.h"
#include "os/state.h"
#include "report.h"
#include "settings.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct arguments {
        const char *verb;
        const char *config_file;
        bool prune;
        bool yes;
        bool help;
        bool version;
};

static const char usage[] =
        "bootsyncd [OPTIONS] [VERB]\n"
        "\n"
        "Keeps the EFI system partitions of a machine alike and bootable.\n"
        "\n"
        "Verbs:\n"
        "  run         Bind the booted ESP to ROOT, watch it, and mirror every change\n"
        "              to the other ESPs, until SIGTERM (the default)\n"
        "  bind        Bind the booted ESP to ROOT, and end\n"
        "  sync        Bring the other ESPs up to date once, and end\n"
        "  diff        List what sync would do, and do nothing\n"
        "\n"
        "Options:\n"
        "  -c --config FILE  Read FILE and FILE.d/*.conf instead of\n"
        "                    /etc/bootsync/bootsync.conf and its .d\n"
        "     --prune        sync: remove from the other ESPs what is not on ROOT, even\n"
        "                    if nobody saw it go; asks first\n"
        "  -y --yes          sync --prune: do not ask\n"
        "  -h --help         Show this help\n"
        "     --version      Show the version\n"
        "\n"
        "Exit status: 0 done, all is in sync; 1 something was held back or failed (diff:\n"
        "there are differences); 2 usage; 69 ROOT is not bound any more; 75 another\n"
        "bootsyncd is at work; 77 no permission; 78 the configuration is not usable.\n"
        "See bootsyncd(8).\n";

static int point_at_help(void) {
        fputs("Try 'bootsyncd --help'.\n", stderr);
        return EXIT_USAGE;
}

static int usage_error(const char *text, const char *word) {
        fprintf(stderr, "bootsyncd: %s%s%s\n", text, word ? ": " : "", word ? word : "");
        return point_at_help();
}

/* 0, or EXIT_USAGE. */
static int parse_arguments(int argc, char *argv[], struct arguments *ret_arguments) {
        enum {
                OPTION_PRUNE = 256,
                OPTION_VERSION
        };
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' },
                { "prune", no_argument, NULL, OPTION_PRUNE },
                { "yes", no_argument, NULL, 'y' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, OPTION_VERSION },
                { 0 },
        };
        struct arguments arguments = { .verb = "run" };
        int option;

        while ((option = getopt_long(argc, argv, "c:yh", options, NULL)) >= 0) {
                if (option == 'c')
                        arguments.config_file = optarg;
                else if (option == 'y')
                        arguments.yes = true;
                else if (option == 'h')
                        arguments.help = true;
                else if (option == OPTION_PRUNE)
                        arguments.prune = true;
                else if (option == OPTION_VERSION)
                        arguments.version = true;
                else /* getopt_long() has said what is wrong */
                        return point_at_help();
        }
        if (optind < argc)
                arguments.verb = argv[optind++];
        if (optind < argc)
                return usage_error("one verb is enough", argv[optind]);
        *ret_arguments = arguments;
        return 0;
}

/* The service manager counts an unusable configuration and lack of permission by their statuses. */
static int report_failure(struct report *report, const char *what, int r) {
        report_fault(report, what, r);
        return EXIT_HELD;
}

static int take_lock(struct report *report, int *ret_fd) {
        pid_t holder = 0;
        int r;

        r = state_lock(STATE_RUN_DIRECTORY, ret_fd, &holder);
        if (r == STATE_LOCKED) {
                report_message(report, MESSAGE_LOCKED, 0,
                               (struct message_args){ .number = (uint64_t) holder });
                return EXIT_LOCKED;
        }
        if (r < 0) {
                report_message(
                        report, MESSAGE_LOCK_FAILED, 0,
                        (struct message_args){ .path = STATE_RUN_DIRECTORY "/lock", .error = r });
                return r == -EACCES || r == -EPERM ? EXIT_PERMISSION : EXIT_HELD;
        }
        return 0;
}

static int bind_exit(struct report *report, int r) {
        if (r == BIND_FAILED)
                return EXIT_HELD;
        if (r == BIND_NO_PERMISSION)
                return EXIT_PERMISSION;
        return r < 0 ? report_failure(report, "The bind failed", r) : EXIT_DONE;
}

static int verb_run(struct report *report, struct config *config, const struct arguments *a) {
        const struct daemon_options options = { .mode = DAEMON_SERVE,
                                                .config_file = a->config_file };
        _cleanup_close_ int lock = -1;
        sigset_t reload;
        int r;

        /* a reload while the bind is waited for comes due after it */
        sigemptyset(&reload);
        sigaddset(&reload, SIGHUP);
        sigprocmask(SIG_BLOCK, &reload, NULL);
        r = take_lock(report, &lock);
        if (r == 0)
                r = bind_exit(report, bind_root(report, config));
        return r != 0 ? r : daemon_run(report, config, &options, NULL);
}

static int verb_bind(struct report *report, struct config *config,
                     const struct arguments *a _unused_) {
        return bind_exit(report, bind_root(report, config));
}

static int verb_diff(struct report *report, struct config *config,
                     const struct arguments *a _unused_) {
        const struct daemon_options options = { .mode = DAEMON_DIFF };

        return daemon_run(report, config, &options, NULL);
}

/* Only a whole word is a yes: what else is typed, or piped in, was perhaps meant for others. */
static bool confirm(void) {
        char answer[16];
        sigset_t signals;

        /* the look at what is to be removed has blocked them */
        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        sigprocmask(SIG_UNBLOCK, &signals, NULL);

        printf("Remove all of this? [y/N] ");
        fflush(stdout);
        if (!fgets(answer, sizeof(answer), stdin)) {
                printf("\n");
                return false;
        }
        answer[strcspn(answer, "\n")] = '\0';
        return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

/* Reads the settings once more, for a second run; what is to be said of them was said. */
static int load_again(struct report *report, const struct arguments *a, int level,
                      struct config *ret_config) {
        int r;

        report_set_level(report, -1);
        r = settings_load(report, a->config_file, ret_config);
        report_set_level(report, level);
        return r;
}

/* Collects what --prune would remove into removals, lists it, and asks. 0: go on; else an exit
 * status. Takes over config. */
static int ask_to_prune(struct report *report, struct config *config, const struct arguments *a,
                        struct pathset removals[static ROLES_MEMBERS], uint64_t *ret_steps) {
        const struct daemon_options options = { .mode = DAEMON_DIFF, .removals = removals };
        int r;

        r = daemon_run(report, config, &options, ret_steps);
        if (r != EXIT_DONE && r != EXIT_HELD)
                return r;
        if (*ret_steps == 0) {
                printf("There is nothing to prune.\n");
                return 0;
        }
        if (a->yes || confirm())
                return 0;
        printf("Nothing was removed.\n");
        return EXIT_HELD;
}

/* Only what was shown is removed: whatever else is missing by then was not agreed to. */
static int prune(struct report *report, struct config *config, const struct arguments *a) {
        struct daemon_options options = { .mode = DAEMON_SYNC };
        struct pathset removals[ROLES_MEMBERS] = { 0 };
        _cleanup_config_ struct config again = { 0 };
        int level = (int) config->level, r;
        uint64_t steps = 0;

        r = ask_to_prune(report, config, a, removals, &steps);
        if (r == 0 && load_again(report, a, level, &again) != 0)
                r = EXIT_CONFIG;
        if (steps > 0)
                options.removals = removals;
        if (r == 0)
                r = daemon_run(report, &again, &options, NULL);
        for (size_t i = 0; i < ROLES_MEMBERS; i++)
                pathset_done(&removals[i]);
        return r;
}

static int verb_sync(struct report *report, struct config *config, const struct arguments *a) {
        const struct daemon_options options = { .mode = DAEMON_SYNC };
        _cleanup_close_ int lock = -1;
        int r;

        r = take_lock(report, &lock);
        if (r != 0)
                return r;
        return a->prune ? prune(report, config, a) : daemon_run(report, config, &options, NULL);
}

struct verb {
        const char *name;
        int (*run)(struct report *report, struct config *config, const struct arguments *a);
};

static const struct verb *find_verb(const char *name) {
        static const struct verb verbs[] = {
                { "run", verb_run },
                { "bind", verb_bind },
                { "sync", verb_sync },
                { "diff", verb_diff },
        };

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (strcmp(verbs[i].name, name) == 0)
                        return &verbs[i];
        return NULL;
}

/* The bind must be seen by everyone, so it is made where PID 1 lives, and the configuration is read
 * there, too. */
static int enter_host(struct report *report, const struct verb *verb) {
        int r;

        if (verb->run != verb_bind)
                return 0;
        r = mounts_join_init();
        if (r == 0)
                return 0;
        report_fault(report, "The mount namespace of PID 1 cannot be joined", r);
        return r == -EPERM || r == -EACCES ? EXIT_PERMISSION : EXIT_HELD;
}

static int run_verb(const struct verb *verb, const struct arguments *a) {
        _cleanup_report_ struct report *report = NULL;
        _cleanup_config_ struct config config = { 0 };
        int r;

        r = report_new("", &report);
        if (r < 0) {
                fprintf(stderr, "bootsyncd: %s\n", strerror(-r));
                return EXIT_HELD;
        }
        if (geteuid() != 0) {
                report_message(report, MESSAGE_NO_PERMISSION, 0, (struct message_args){ 0 });
                return EXIT_PERMISSION;
        }
        r = enter_host(report, verb);
        if (r != 0)
                return r;
        r = settings_load(report, a->config_file, &config);
        if (r > 0) {
                report_message(report, MESSAGE_CONFIG_REFUSED, 0, (struct message_args){ 0 });
                return EXIT_CONFIG;
        }
        if (r == 0)
                r = report_set_root(report, config.root);
        if (r < 0)
                return report_failure(report, "Settings", r);
        report_set_level(report, (int) config.level);
        return verb->run(report, &config, a);
}

int main(int argc, char *argv[]) {
        struct arguments arguments;
        const struct verb *verb;
        int r;

        r = parse_arguments(argc, argv, &arguments);
        if (r != 0)
                return r;
        if (arguments.help || arguments.version) {
                fputs(arguments.help ? usage : "bootsyncd " BOOTSYNC_VERSION "\n", stdout);
                return EXIT_DONE;
        }
        verb = find_verb(arguments.verb);
        if (!verb)
                return usage_error("there is no such verb", arguments.verb);
        if ((arguments.prune || arguments.yes) && strcmp(arguments.verb, "sync") != 0)
                return usage_error("--prune and --yes go with sync", NULL);
        if (arguments.yes && !arguments.prune)
                return usage_error("--yes goes with --prune", NULL);
        return run_verb(verb, &arguments);
}
