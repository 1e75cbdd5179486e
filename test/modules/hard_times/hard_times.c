/*
 * hard_times.c - LD_PRELOAD: a server whose clock is set and whose disk is full.
 *
 * The file that HARD_TIMES names holds two numbers as text, read at each call
 * from a mapping of it: seconds to add to the wall clock, and 1 when writes
 * that make a file below the directory HARD_TIMES_DISK longer find no space.
 * Clocks that only go forward, and what is allocated already, stay as they are.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SCRIPT_SIZE 64
#define EXPORT __attribute__((visibility("default")))

static const char *script = NULL;
static const char *disk = NULL;

/* Maps the script before the server starts. */
__attribute__((constructor)) static void
start(void)
{
	const char *path = getenv("HARD_TIMES");
	int			fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void	   *mapped = fd >= 0 ? mmap(NULL, SCRIPT_SIZE, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (mapped != MAP_FAILED)
		script = mapped;
	if (fd >= 0)
		close(fd);
	/* PostgreSQL writes its title over the environment */
	if (getenv("HARD_TIMES_DISK") != NULL)
		disk = strdup(getenv("HARD_TIMES_DISK"));
}

/* Seconds the clock was set by. */
static long
step(void)
{
	return script != NULL ? atol(script) : 0;
}

/* True when a write to the file up to an offset finds no space. */
static int
is_full(int fd, off_t end)
{
	char		link[32];
	char		path[4096];
	const char *second = script != NULL ? strchr(script, ' ') : NULL;
	struct stat st;
	ssize_t		len;

	if (disk == NULL || second == NULL || atoi(second) == 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	return len > 0 && (path[len] = '\0', strncmp(path, disk, strlen(disk)) == 0) &&
		fstat(fd, &st) == 0 && end > st.st_size;
}

EXPORT int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	static int	(*real) (struct timeval *, void *) = NULL;
	int			result;

	if (real == NULL)
		*(void **) &real = dlsym(RTLD_NEXT, "gettimeofday");
	result = real(tv, tz);
	tv->tv_sec += step();
	return result;
}

EXPORT int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	static int	(*real) (clockid_t, struct timespec *) = NULL;
	int			result;

	if (real == NULL)
		*(void **) &real = dlsym(RTLD_NEXT, "clock_gettime");
	result = real(clock, ts);
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		ts->tv_sec += step();
	return result;
}

EXPORT time_t
time(time_t *t)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (t != NULL)
		*t = now.tv_sec;
	return now.tv_sec;
}

EXPORT ssize_t
pwrite(int fd, const void *data, size_t len, off_t offset)
{
	static ssize_t (*real) (int, const void *, size_t, off_t) = NULL;

	if (real == NULL)
		*(void **) &real = dlsym(RTLD_NEXT, "pwrite");
	if (!is_full(fd, offset + (off_t) len))
		return real(fd, data, len, offset);
	errno = ENOSPC;
	return -1;
}

EXPORT ssize_t
write(int fd, const void *data, size_t len)
{
	static ssize_t (*real) (int, const void *, size_t) = NULL;
	int			saved = errno;
	off_t		at = disk != NULL ? lseek(fd, 0, SEEK_CUR) : -1;

	errno = saved;
	if (real == NULL)
		*(void **) &real = dlsym(RTLD_NEXT, "write");
	if (at < 0 || !is_full(fd, at + (off_t) len))
		return real(fd, data, len);
	errno = ENOSPC;
	return -1;
}
