# shellcheck shell=bash
# lib.sh - what the harness scripts share: a temporary installation, an
# unprivileged user to run it as, throwaway clusters.  Sourced, not run.
#
# The server finds its share and library directories relative to its own
# executable.  So a copied bin directory, with links to everything else beside
# it, is a whole installation of its own: `make install DESTDIR=...` lands in it
# and nothing outside the work directory is touched.
#
#   WORK       scratch directory of this run; holds inst/, src/, clusters
#   RUN_USER   who runs servers and tests (never root)
#   BIN        bin directory of the temporary installation

PG_CONFIG=${PG_CONFIG:-pg_config}
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
CLUSTERS=()

# Ends the script with a message.
die() {
	echo "$(basename "$0"): $*" >&2
	exit 1
}

# Chooses RUN_USER: ourselves, or as root the least that can own a cluster.
choose_user() {
	RUN_USER=$(id -un)
	[ "$(id -u)" = 0 ] || return 0
	RUN_USER=nobody
	! id -u postgres >/dev/null 2>&1 || RUN_USER=postgres
}

# Runs a command as RUN_USER, in WORK, with a home it may write to.
as_user() {
	if [ "$(id -u)" = 0 ]; then
		(cd "$WORK" && HOME=$WORK setpriv --reuid="$RUN_USER" --regid="$(id -g "$RUN_USER")" \
			--clear-groups -- "$@")
	else
		(cd "$WORK" && HOME=$WORK "$@")
	fi
}

# Makes WORK: in the tree for an ordinary user, else where RUN_USER can reach it.
# An argument names the directory instead.
make_work() {
	choose_user
	if [ -n "${1:-}" ]; then
		mkdir -p "$1"
		WORK=$(cd "$1" && pwd -P)
	elif [ "$(id -u)" = 0 ]; then
		WORK=$(mktemp -d "${TMPDIR:-/tmp}/twin_privacy.XXXXXX")
	else
		WORK=$TOP/tmp_check/work
		rm -rf "$WORK"
		mkdir -p "$WORK"
	fi
	[ "$(id -u)" != 0 ] || chown "$RUN_USER:" "$WORK"
	as_user test -w . || die "user $RUN_USER cannot reach $WORK"
}

# Links every entry of directory $1 into the new directory $2.
link_entries() {
	mkdir -p "$2"
	local entry
	for entry in "$1"/*; do
		[ ! -e "$entry" ] || ln -sfn "$entry" "$2/"
	done
}

# Lays the temporary installation under WORK/inst and installs the extension.
install_temp() {
	local bindir sharedir pkglibdir root=$WORK/inst
	bindir=$("$PG_CONFIG" --bindir)
	sharedir=$("$PG_CONFIG" --sharedir)
	pkglibdir=$("$PG_CONFIG" --pkglibdir)
	[ -x "$bindir/postgres" ] || die "no postgres server in $bindir"
	rm -rf "$root"
	mkdir -p "$root$bindir"
	cp -L "$bindir"/* "$root$bindir/"
	link_entries "$sharedir" "$root$sharedir"
	rm "$root$sharedir/extension"
	link_entries "$sharedir/extension" "$root$sharedir/extension"
	link_entries "$pkglibdir" "$root$pkglibdir"
	# A system-wide installation of ourselves must not shine through.
	rm -f "$root$sharedir"/extension/twin_privacy* "$root$pkglibdir"/twin_privacy.so
	make -s -C "$TOP" PG_CONFIG="$PG_CONFIG" install DESTDIR="$root" >"$WORK/install.log" 2>&1 ||
		{ cat "$WORK/install.log" >&2; die "make install failed"; }
	# Frozen install scripts of earlier versions, for the test of upgrades.
	find "$TOP/test/upgrade" -name 'twin_privacy--*.sql' -exec cp -t "$root$sharedir/extension" {} + 2>/dev/null || true
	# What only tests need: extensions that reach what the library does not export.
	local module
	for module in "$TOP"/test/modules/*/; do
		make -s -C "$module" PG_CONFIG="$PG_CONFIG" install DESTDIR="$root" with_llvm=no >"$WORK/install.log" 2>&1 ||
			{ cat "$WORK/install.log" >&2; die "make install failed in $module"; }
	done
	BIN=$root$bindir
	export LC_ALL=C PATH="$BIN:$PATH"
}

# Writes WORK/test.conf: test/regress.conf plus what has a path in it.
write_config() {
	rm -rf "$WORK/keys"
	mkdir -p "$WORK/keys"
	od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n' >"$WORK/keys/master.key"
	chmod 600 "$WORK/keys/master.key"
	[ "$(id -u)" != 0 ] || chown -R "$RUN_USER:" "$WORK/keys"
	{
		cat "$TOP/test/regress.conf"
		echo "twin_privacy.master_key_file = '$WORK/keys/master.key'"
	} >"$WORK/test.conf"
	export TWIN_PRIVACY_TEST_CONF=$WORK/test.conf
}

# Finds the test data and sets TWIN_PRIVACY_DATA to a path RUN_USER can read.
# Leaves it empty where there is none.
find_data() {
	local data=${TWIN_PRIVACY_DATA:-$TOP/../shared/data}
	TWIN_PRIVACY_DATA=
	if [ -d "$data" ]; then
		TWIN_PRIVACY_DATA=$(cd "$data" && pwd -P)
		if ! as_user find "$TWIN_PRIVACY_DATA" -type f ! -readable -print -quit >"$WORK/unreadable" 2>&1 ||
			[ -s "$WORK/unreadable" ]; then
			cp -rL "$TWIN_PRIVACY_DATA" "$WORK/data"
			chmod -R u+w,a+rX "$WORK/data"
			TWIN_PRIVACY_DATA=$WORK/data
		fi
	fi
	export TWIN_PRIVACY_DATA
}

# Mounts a disk that a test can fill, where that is allowed, and names it in
# TWIN_PRIVACY_SMALL_DISK; empty otherwise.
mount_small_disk() {
	export TWIN_PRIVACY_SMALL_DISK=
	[ "$(id -u)" = 0 ] || return 0
	mkdir -p "$WORK/small_disk"
	! mount -t tmpfs -o "size=56m,mode=700,uid=$(id -u "$RUN_USER"),gid=$(id -g "$RUN_USER")" \
		tmpfs "$WORK/small_disk" 2>/dev/null || TWIN_PRIVACY_SMALL_DISK=$WORK/small_disk
}

# Starts a cluster in WORK/$1 with its socket there; sets PGHOST, PGPORT, PGUSER,
# PGDATABASE.  No TCP, so the port collides with nobody.
start_cluster() {
	local name=$1 dir=$WORK/$1
	as_user mkdir -p "$dir"
	if [ ! -e "$dir/data/PG_VERSION" ]; then
		as_user "$BIN/initdb" -D "$dir/data" -U postgres -A trust -N -E UTF8 --locale=C \
			>"$WORK/$name.initdb.log" 2>&1 || { cat "$WORK/$name.initdb.log" >&2; die "initdb failed"; }
		{
			echo "include '$WORK/test.conf'"
			echo "listen_addresses = ''"
			echo "unix_socket_directories = '$dir'"
		} | as_user tee -a "$dir/data/postgresql.conf" >/dev/null
	fi
	as_user "$BIN/pg_ctl" -s -w -t 60 -D "$dir/data" -l "$dir/server.log" start >/dev/null ||
		{ tail -20 "$dir/server.log" >&2; die "the server does not start"; }
	CLUSTERS+=("$dir")
	unset PGSERVICE PGSSLMODE PGPASSWORD PGOPTIONS PGDATA
	export PGHOST=$dir PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
}

# Stops what start_cluster started.
stop_clusters() {
	local dir
	for dir in "${CLUSTERS[@]}"; do
		as_user "$BIN/pg_ctl" -s -w -m immediate -D "$dir/data" stop >/dev/null 2>&1 || true
	done
	CLUSTERS=()
}

# Ends every server whose data directory lies under WORK (a killed TAP test
# leaves its nodes running) and removes WORK when it is a temporary one.
clean_up() {
	local pidfile pid
	stop_clusters
	find "$WORK" -name postmaster.pid -print 2>/dev/null | while read -r pidfile; do
		pid=$(head -1 "$pidfile")
		# Only a server that still runs in that very directory is ours.
		[ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$(dirname "$pidfile")" ] && kill -QUIT "$pid"
	done
	[ -z "${TWIN_PRIVACY_SMALL_DISK:-}" ] || umount -l "$TWIN_PRIVACY_SMALL_DISK"
	[ "$(id -u)" != 0 ] || [ -n "${KEEP:-}" ] || rm -rf "$WORK"
	return 0
}
