# shellcheck shell=bash
# lib.sh - what a benchmark needs; sourced as: . "$(dirname "$0")/lib.sh"
#
#   bench_sql [-U role] SQL            runs SQL, stops at an error
#   bench_login ROLE...                makes login roles (a leftover one is kept)
#   bench_ratio NAME TARGET A B        prints the median of time(A)/time(B)
#   bench_report NAME RATIO TARGET     prints a figure measured otherwise
#
# TARGET is like '<=1.25' or '>=4'.

# Runs SQL as the superuser or, with -U, as a role.
bench_sql() {
	local -a user=()
	if [ "$1" = -U ]; then
		user=(-U "$2")
		shift 2
	fi
	psql -X -q -A -t -v ON_ERROR_STOP=1 "${user[@]}" -c "$1"
}

# Makes login roles for the benchmark's people.
bench_login() {
	local role
	for role in "$@"; do
		bench_sql "DO \$\$ BEGIN IF to_regrole('$role') IS NULL THEN CREATE ROLE $role LOGIN; END IF; END \$\$"
	done
}

# Prints one figure.
bench_report() {
	printf 'bench %s ratio=%s target=%s\n' "$1" "$2" "$3"
}

# Measures A against B: both run alternately in one session, in either order, as
# the client sees them; the figure is the median over rounds of the ratio of their
# times.  Times come from psql; results are thrown away.
#
#   BENCH_ROLE      who runs them (default: the superuser)
#   BENCH_SESSION   SQL run first in that session (bind a use, prepare statements)
#   BENCH_ROUNDS    rounds that count (default 7), after one that does not
#   BENCH_REPEAT    executions of each side a round (default 1); "%i" in A and B
#                   is their number
bench_ratio() {
	local name=$1 target=$2 script=$BENCH_TMP/$1.sql times=$BENCH_TMP/$1.times round
	{
		printf '%s\n' '\o /dev/null' "${BENCH_SESSION:-}" '\timing on'
		for ((round = 0; round <= ${BENCH_ROUNDS:-7}; round++)); do
			if ((round % 2)); then
				print_side a "$round" "$3" && print_side b "$round" "$4"
			else
				print_side b "$round" "$4" && print_side a "$round" "$3"
			fi
		done
	} >"$script"
	psql -X -q -v ON_ERROR_STOP=1 -U "${BENCH_ROLE:-$PGUSER}" -f "$script" >"$times"
	bench_report "$name" "$(median_ratio "$times")" "$target"
	printf '#   %s: %s\n' "$name" "$(median_times "$times")"
}

# Prints one side of one round.
print_side() {
	local i
	printf '\\echo @%s %s\n' "$1" "$2"
	for ((i = 1; i <= ${BENCH_REPEAT:-1}; i++)); do
		printf '%s;\n' "${3//%i/$i}"
	done
}

# Sums psql's timings by side and round (the first round warms up).
sum_times() {
	awk '$1 == "@a" || $1 == "@b" { side = $1; round = $2; next }
		$1 == "Time:" && round > 0 { sum[side, round] += $2; if (round > last) last = round }
		END { for (i = 1; i <= last; i++) print sum["@a", i], sum["@b", i] }' "$1"
}

# The median of a column of numbers.
median() {
	sort -g | awk '{ v[NR] = $1 } END { if (NR % 2) m = v[(NR + 1) / 2]; else m = (v[NR / 2] + v[NR / 2 + 1]) / 2; printf "%.3f", m }'
}

# The median of a/b over the rounds.
median_ratio() {
	sum_times "$1" | awk '{ printf "%.6f\n", $1 / $2 }' | median
}

# Both medians in milliseconds and the spread of the ratios, for the reader.
median_times() {
	local repeat=${BENCH_REPEAT:-1}
	printf 'a %s ms, b %s ms (x%s), ratios %s' \
		"$(sum_times "$1" | awk '{ print $1 }' | median)" "$(sum_times "$1" | awk '{ print $2 }' | median)" "$repeat" \
		"$(sum_times "$1" | awk '{ printf "%.2f ", $1 / $2 }')"
}
