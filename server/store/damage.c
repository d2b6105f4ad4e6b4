/*
 * A file that goes wrong while it is used. Damage that a statement meets: the check at the start
 * looks at a large file for two seconds only, and a disk can lie later; what is met then is written
 * beside the file, so that serve ends and the next start sets the file aside instead of meeting it
 * again. And a file that is taken away: SQLite goes on writing to what nobody can open any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/state.h"

enum { NOTE_NAME_SIZE = 4200 };

static void name_note(const char *path, char name[NOTE_NAME_SIZE])
{
    (void)snprintf(name, NOTE_NAME_SIZE, "%s" DAMAGE_TAIL, path);
}

void damage_note(sqlite3 *h)
{
    int rc = sqlite3_errcode(h) & 0xff;
    const char *path = sqlite3_db_filename(h, "main");
    if ((rc != SQLITE_CORRUPT && rc != SQLITE_NOTADB) || path == NULL || path[0] == '\0') {
        return;
    }
    char name[NOTE_NAME_SIZE];
    name_note(path, name);
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return; /* it is there already, or cannot be: each statement tells its error anyway */
    }
    const char *text = sqlite3_errmsg(h);
    ssize_t n = write(fd, text, strlen(text));
    (void)n; /* that the file is there says enough */
    (void)close(fd);
}

bool damage_noted(const char *path, char *ret_why, size_t size)
{
    char name[NOTE_NAME_SIZE];
    name_note(path, name);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, ret_why, size - 1);
    ret_why[n > 0 ? n : 0] = '\0';
    (void)close(fd);
    return true;
}

void damage_forget(const char *path)
{
    char name[NOTE_NAME_SIZE];
    name_note(path, name);
    (void)unlink(name); /* most times there is none */
}

bool store_lost(const struct store *s, char *ret_why, size_t size)
{
    struct stat st;
    if (damage_noted(s->path, ret_why, size)) {
        return true;
    }
    if (stat(s->path, &st) != 0 ? errno != ENOENT
                                : st.st_dev == s->file_dev && st.st_ino == s->file_ino) {
        return false;
    }
    (void)snprintf(ret_why, size, "the file was removed or replaced");
    return true;
}
