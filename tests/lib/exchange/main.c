/* play [options] FILE...: plays scripts and says what differs. Ends with "exchange: N passed, N failed". */
#include "play.h"

#include "plugin/plugin.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct run {
    struct ex_options options;
    bool selftest;
    long repeat;
    uint64_t exchanges;
    unsigned passed, failed;
};

static int usage(void)
{
    fputs("usage: play --connectors DIR [--show] [--selftest] [--repeat N] FILE...\n"
          "  --show      print what came, in the form of a script, and compare requests alone\n"
          "  --selftest  each script must fail, with the texts that its lines `fails TEXT` give\n"
          "  --repeat N  play each N times (for measuring)\n",
          stderr);
    return 2;
}

/* Once with whole bodies and once byte by byte: what comes must not depend on how it arrives. */
static int play_both(struct run *run, const struct ex_script *script, struct sc_buf *report)
{
    for (long n = 0; n < run->repeat; n++) {
        run->options.chunk = 0;
        if (ex_play(script, &run->options, report, &run->exchanges))
            return -1;
        run->options.chunk = 1;
        if (run->options.show || run->repeat > 1)
            continue;
        struct sc_buf bytewise = {0};
        int rc = ex_play(script, &run->options, &bytewise, &run->exchanges);
        if (rc)
            sc_buf_addf(report, "with bodies that arrive byte by byte:\n%s", bytewise.ptr);
        sc_buf_done(&bytewise);
        if (rc)
            return -1;
    }
    return 0;
}

static bool failed_as_it_must(const struct ex_script *script, int rc, struct sc_buf *report)
{
    bool good = rc != 0 && script->fails_count > 0;
    if (rc == 0)
        printf("%s: passed, and must fail\n", script->path);
    else if (!script->fails_count)
        printf("%s: has no line `fails TEXT`\n", script->path);
    for (size_t i = 0; rc && i < script->fails_count; i++) {
        if (strstr(sc_buf_str(report).ptr, script->fails[i]))
            continue;
        printf("%s: failed, but nothing it said holds\n  - %s\n", script->path, script->fails[i]);
        good = false;
    }
    if (!good && rc)
        printf("it said:\n%s", sc_buf_str(report).ptr);
    return good;
}

static void one_file(struct run *run, const char *path)
{
    struct ex_script script;
    SC_AUTO_BUF struct sc_buf report = {0};
    int rc = ex_script_read(&script, path, &report);
    if (rc == 0 && script.fails_count && !run->selftest)
        rc = (sc_buf_addf(&report, "%s: `fails` is for the self-test alone\n", path), -1);
    if (rc == 0)
        rc = play_both(run, &script, &report);
    bool good = run->selftest ? failed_as_it_must(&script, rc, &report) : rc == 0;
    if (!run->selftest && rc)
        fputs(sc_buf_str(&report).ptr, stdout);
    run->passed += good;
    run->failed += !good;
    ex_script_done(&script);
}

static void bad_plugin(void *arg, const char *path, const char *why)
{
    (void)arg;
    fprintf(stderr, "%s: %s\n", path, why);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return; /* the settings say so */
    fputs(text, file);
    fclose(file);
}

static int play_files(struct run *run, const char *connectors, char **files)
{
    struct sc_error err = SC_ERROR_INIT;
    char scratch[] = "/tmp/exchange-XXXXXX";
    struct timespec began, ended;
    if (!mkdtemp(scratch)) {
        perror(scratch);
        return 2;
    }
    SC_AUTO_FREE char *node = sc_printf("%s/node.json", scratch);
    SC_AUTO_FREE char *settings = sc_printf("%s/settings.conf", scratch);
    write_file(node, "{}\n");
    write_file(settings, "");
    struct sc_plugins *plugins = sc_plugins_load(connectors, bad_plugin, NULL, &err);
    run->options.scratch = scratch;
    run->options.plugins = plugins;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (; plugins && *files; files++)
        one_file(run, *files);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    double seconds = (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
    printf("%llu exchanges in %.3f s: %.0f a second\n", (unsigned long long)run->exchanges, seconds,
           (double)run->exchanges / (seconds > 0 ? seconds : 1));
    printf("exchange: %u passed, %u failed\n", run->passed, run->failed);
    sc_plugins_free(plugins);
    unlink(node);
    unlink(settings);
    rmdir(scratch);
    return run->failed || !run->passed ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct run run = {.repeat = 1};
    const char *connectors = NULL;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--show") == 0)
            run.options.show = true;
        else if (strcmp(argv[i], "--selftest") == 0)
            run.selftest = true;
        else if (strcmp(argv[i], "--connectors") == 0 && i + 1 < argc)
            connectors = argv[++i];
        else if (strcmp(argv[i], "--repeat") == 0 && i + 1 < argc)
            run.repeat = strtol(argv[++i], NULL, 10);
        else
            return usage();
    }
    if (!connectors || i == argc || run.repeat < 1)
        return usage();
    clearenv(); /* settings come from the scripts alone */
    return play_files(&run, connectors, argv + i);
}
