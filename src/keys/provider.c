/*
 * provider.c - where the master key comes from: a file or a command.
 *
 * The key is 64 hexadecimal digits.  The file must be a regular file of the
 * server's own user that nobody else can read or write; the command's output
 * is read through a pipe and its exit code must be zero.  What is wrong goes
 * to the server log (it may name the path), the client hears only that the
 * master key is not available.
 *
 * Memory: buffers are on the stack and wiped on every way out that does not
 * raise out of the operating system's own calls.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "keys/keys_internal.h"
#include "storage/fd.h"
#include "utils/guc.h"

#define MASTER_HEX_LEN (2 * TWP_KEY_LEN)
/* the digits, a line end, and one byte more to see that there is more */
#define MASTER_TEXT_MAX (MASTER_HEX_LEN + 3)

typedef struct Provider
{
	char	   *file;
	char	   *command;
} Provider;

static Provider current;
/* the provider before the last change of the master key, while keys are wrapped anew */
static Provider previous;

static bool allow_core_dumps = false;

/* Raises TP005; the reason is for the log alone. */
static void
master_unavailable(const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_TWP_NOT_READY),
			 errmsg("the master key is not available"),
			 errdetail_log("%s", reason),
			 errhint("Ask the server's administrator to check twin_privacy.master_key_file or "
					 "twin_privacy.master_key_command; the server log says what is wrong.")));
}

/* Value of a hexadecimal digit, or -1. */
static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Parses the digits, which a line end may follow; false when it is anything else. */
static bool
parse_master(const char *text, size_t len, uint8 key[TWP_KEY_LEN])
{
	while (len > MASTER_HEX_LEN && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	if (len != MASTER_HEX_LEN)
		return false;
	for (int i = 0; i < TWP_KEY_LEN; i++)
	{
		int			high = hex_digit(text[2 * i]);
		int			low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		key[i] = (uint8) (high << 4 | low);
	}
	return true;
}

/* Says what is wrong with the key file's owner or mode, or NULL. */
static const char *
file_fault(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return "The master key file cannot be examined.";
	if (!S_ISREG(st.st_mode))
		return "The master key file is not a regular file.";
	if (st.st_uid != geteuid())
		return "The master key file is not owned by the server's user.";
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return "The master key file can be reached by group or others; its mode must be 0600.";
	return NULL;
}

/* Reads the key file; returns the number of bytes. */
static size_t
read_file(const char *path, char text[MASTER_TEXT_MAX])
{
	int			fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	const char *fault;
	ssize_t		n;

	if (fd < 0)
		master_unavailable(psprintf("The file \"%s\" cannot be opened: %m.", path));
	fault = file_fault(fd);
	if (fault != NULL)
		master_unavailable(fault);
	n = read(fd, text, MASTER_TEXT_MAX);
	CloseTransientFile(fd);
	if (n < 0)
		master_unavailable("The master key file cannot be read.");
	return (size_t) n;
}

/* Runs the command and reads what it prints; returns the number of bytes. */
static size_t
read_command(const char *command, char text[MASTER_TEXT_MAX])
{
	FILE	   *pipe = OpenPipeStream(command, "r");
	size_t		n;
	int			rc;

	if (pipe == NULL)
		master_unavailable("The master key command cannot be started.");
	/* unbuffered: stdio would keep a copy of the key in freed memory */
	setvbuf(pipe, NULL, _IONBF, 0);
	n = fread(text, 1, MASTER_TEXT_MAX, pipe);
	rc = ClosePipeStream(pipe);
	if (rc != 0)
	{
		twp_crypto_wipe(text, MASTER_TEXT_MAX);
		master_unavailable("The master key command failed.");
	}
	return n;
}

/* True when a setting names something. */
static bool
is_set(const char *setting)
{
	return setting != NULL && setting[0] != '\0';
}

/* Reads a master key from its one provider. */
static void
read_master(const Provider *provider, uint8 key[TWP_KEY_LEN])
{
	char		text[MASTER_TEXT_MAX];
	size_t		n;
	bool		ok;

	if (is_set(provider->file) && is_set(provider->command))
		master_unavailable("Both a master key file and a master key command are set.");
	if (!is_set(provider->file) && !is_set(provider->command))
		master_unavailable("Neither a master key file nor a master key command is set.");

	n = is_set(provider->file) ? read_file(provider->file, text) : read_command(provider->command, text);
	ok = parse_master(text, n, key);
	twp_crypto_wipe(text, sizeof(text));
	if (!ok)
	{
		twp_crypto_wipe(key, TWP_KEY_LEN);
		master_unavailable("The master key is not exactly 64 hexadecimal digits.");
	}
}

/* Reads the current master key, in a process that leaves no core dump unless told so. */
void
twp_keys_master(uint8 key[TWP_KEY_LEN])
{
	if (!allow_core_dumps)
		twp_crypto_forbid_dumps();
	read_master(&current, key);
}

/* Reads the previous master key; false when no provider for it is set. */
bool
twp_keys_previous_master(uint8 key[TWP_KEY_LEN])
{
	if (!is_set(previous.file) && !is_set(previous.command))
		return false;
	read_master(&previous, key);
	return true;
}

/* Names a master key by a MAC under it, from which nothing of the key follows. */
void
twp_keys_master_id(const uint8 key[TWP_KEY_LEN], uint8 id[TWP_MASTER_ID_LEN])
{
	static const char info[] = "twin_privacy/master key id";

	twp_crypto_hkdf(key, TWP_KEY_LEN, NULL, 0, (const uint8 *) info, sizeof(info) - 1,
					id, TWP_MASTER_ID_LEN);
}

/* Defines one setting: the server's configuration only, shown to superusers only. */
static void
define_setting(const char *name, const char *what, const char *more, char **value)
{
	DefineCustomStringVariable(name, what, more, value, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);
}

/* Defines the providers' settings. */
void
twp_keys_provider_init(void)
{
	DefineCustomBoolVariable("twin_privacy.allow_core_dumps",
							 "Lets processes that hold keys leave core dumps and be debugged.",
							 "For debugging on a machine without real keys.",
							 &allow_core_dumps, false, PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							 NULL, NULL, NULL);
	define_setting("twin_privacy.master_key_command",
				   "Command that prints the master key as 64 hexadecimal digits.",
				   "Run by the server's user; exclusive with twin_privacy.master_key_file.",
				   &current.command);
	define_setting("twin_privacy.master_key_file",
				   "File that holds the master key as 64 hexadecimal digits.",
				   "Owned by the server's user, mode 0600.",
				   &current.file);
	define_setting("twin_privacy.previous_master_key_command",
				   "Command that prints the master key before the last change.",
				   "Set only until twin_privacy.rewrap_pseudonym_keys() has run.",
				   &previous.command);
	define_setting("twin_privacy.previous_master_key_file",
				   "File that holds the master key before the last change.",
				   "Set only until twin_privacy.rewrap_pseudonym_keys() has run.",
				   &previous.file);
}
