/* main() for a fuzz target without a fuzzer: runs every file named on the command line, or in the
 * folders named there. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned runs;

static int run_file(const char *path, size_t size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(size ? size : 1); /* exactly: a sanitizer sees one byte too far */
    int bad = !f || !data || fread(data, 1, size, f) != size;

    if (bad)
        perror(path);
    else if (LLVMFuzzerTestOneInput(data, size) == 0)
        runs++;
    if (f)
        fclose(f);
    free(data);
    return bad;
}

static int run_path(const char *path)
{
    struct stat st;
    struct dirent *entry;
    int bad = 0;
    DIR *dir;

    if (stat(path, &st) != 0) {
        perror(path);
        return 1;
    }
    if (S_ISREG(st.st_mode))
        return run_file(path, (size_t)st.st_size);
    dir = opendir(path);
    if (!dir) {
        perror(path);
        return 1;
    }
    while ((entry = readdir(dir)) != NULL) {
        char below[4096];

        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >= (int)sizeof(below))
            bad = 1;
        else
            bad |= run_path(below);
    }
    closedir(dir);
    return bad;
}

int main(int argc, char **argv)
{
    int bad = 0;

    for (int i = 1; i < argc; i++)
        bad |= run_path(argv[i]);
    printf("%u inputs\n", runs);
    if (runs == 0)
        fprintf(stderr, "usage: %s FILE or FOLDER...\n", argv[0]);
    return bad || runs == 0;
}
