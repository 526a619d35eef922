/* Plays a script from its first step to its last, with the log caught, and cleans up whatever became of it. */
#include "play.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int ex_wrong_at(struct ex_play *play, unsigned line, const char *fmt, ...)
{
    va_list args;
    sc_buf_addf(play->report, "%s:%u: ", play->script->path, line);
    va_start(args, fmt);
    sc_buf_addv(play->report, fmt, args);
    va_end(args);
    sc_buf_add_char(play->report, '\n');
    return -1;
}

int ex_wrong(struct ex_play *play, const char *fmt, ...)
{
    va_list args;
    sc_buf_addf(play->report, "%s:%u: ", play->script->path, play->step->line);
    va_start(args, fmt);
    sc_buf_addv(play->report, fmt, args);
    va_end(args);
    sc_buf_add_char(play->report, '\n');
    return -1;
}

static void on_log(const char *line, void *arg)
{
    static const char *const names[] = {"[DEBUG]", "[INFO]", "[WARN]", "[ERROR]"};
    struct ex_play *play = arg;
    if (play->line_count == play->line_cap) {
        play->line_cap = play->line_cap ? play->line_cap * 2 : 64;
        play->lines = realloc(play->lines, play->line_cap * sizeof *play->lines);
        if (!play->lines)
            abort();
    }
    struct ex_log_line *to = &play->lines[play->line_count++];
    *to = (struct ex_log_line){.text = sc_dup(line)};
    for (int i = 0; i < 4; i++) {
        if (strstr(line, names[i]))
            to->level = (enum sc_level)i;
    }
}

static void remove_letters(const struct ex_play *play)
{
    SC_AUTO_FREE char *dir = sc_printf("%s/letters", play->options->scratch);
    DIR *open = opendir(dir);
    for (const struct dirent *entry; open && (entry = readdir(open));) {
        SC_AUTO_FREE char *path = sc_printf("%s/%s", dir, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    if (open)
        closedir(open);
    rmdir(dir);
}

static void done(struct ex_play *play)
{
    ex_agent_crash(play);
    ex_ask_done(play);
    sc_log_set_sink(NULL, NULL);
    if (play->settings.states)
        sc_settings_done(&play->settings);
    play->broker = ex_broker_free(play->broker);
    for (size_t i = 0; i < play->put_count; i++) {
        free(play->puts[i].name);
        free(play->puts[i].json);
    }
    for (size_t i = 0; i < play->line_count; i++)
        free(play->lines[i].text);
    for (size_t i = 0; i < play->secret_count; i++)
        free(play->secrets[i]);
    for (size_t i = 0; i < play->override_count; i++)
        free((void *)(uintptr_t)play->overrides[i].key);
    free(play->lines);
    pthread_mutex_destroy(&play->retiring.lock);
    remove_letters(play);
}

int ex_play(const struct ex_script *script, const struct ex_options *options, struct sc_buf *report, uint64_t *exchanges)
{
    struct ex_play play = {.options = options, .script = script, .report = report, .setting_up = true, .chunk = options->chunk};
    int rc = 0;
    ex_clock_set(INT64_C(1767225600000)); /* 2026-01-01, if the script names no time */
    pthread_mutex_init(&play.retiring.lock, NULL);
    sc_log_init(SC_INFO, 2);
    sc_log_set_sink(on_log, &play);
    play.broker = ex_broker_new("exchange.data.artifacts.raw");
    for (size_t i = 0; rc == 0 && i < script->count; i++) {
        play.step = &script->steps[i];
        if (play.setting_up && !ex_word_is_setup(play.step->word)) {
            play.setting_up = false;
            rc = ex_agent_start(&play);
        }
        if (rc == 0)
            rc = ex_step(&play);
    }
    *exchanges += play.exchanges;
    done(&play);
    return rc;
}
