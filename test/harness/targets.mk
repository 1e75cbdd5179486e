# targets.mk - targets that find, or as root install, PostgreSQL themselves and
# never touch a cluster that exists.  TESTS=... narrows the check-* targets.
#
## make                    builds; make install installs (PG_CONFIG=... another server)
## make demo               the guided tour on a throwaway server (DIR=... keeps it)
## make check              all tests on throwaway servers; ends with "N passed, N failed"
## make check-regress      some of them: TESTS='NAME ...'; also check-isolation, check-tap
## make check-crash        a hundred crash rounds of the ledger under load (ROUNDS=100)
## make check-tamper       every field, deletion, swap and cut of a ledger of a thousand records
## make lint               the habits that a script can check
## make bench              figures beside their targets (BENCH='core ...', BENCH_SCALE=full)
## make check-versions     the suite on 15, 17, 18 in chroots (VERSIONS='17', GOAL=all builds only)
## make check-core         PostgreSQL's own regression suite with the library preloaded
## make check-sanitizers   the suite with assertions, ASan and UBSan (KINDS=regress)
## make check-browser      the privacy report in headless Chromium: screenshots in tmp_check/browser
## make check-interop      PgBouncer of Debian in transaction mode
## make check-drivers      psql, psycopg, node-postgres and JDBC make one tour, directly and pooled
## make check-pg-upgrade   pg_upgrade from 15 to 17 to 18 in chroots: nothing is lost
## make check-fuzz         bounded fuzzing of what reads bytes from outside (FUZZ_SECONDS=60)
## make check-sqlsmith     random queries against a protected database (SEED=, QUERIES=)
## make check-all          the named checks that are bounded in time, with minutes (CHECKS='...')
## make deb                Debian packages, built and tried in chroots
## make dev-cluster DIR=D  a server to play with; make dev-stop DIR=D ends it

HARNESS = test/harness
export PG_CONFIG

.PHONY: $(HARNESS_GOALS)
.NOTPARALLEL:

check: bootstrap
	@REGRESS_TESTS='$(REGRESS)' ISOLATION_TESTS='$(ISOLATION)' TAP_TESTS='$(TAP)' $(HARNESS)/run

check-regress: bootstrap
	@REGRESS_TESTS='$(or $(TESTS),$(REGRESS))' $(HARNESS)/run regress

check-crash: bootstrap
	@TWP_CRASH_ROUNDS='$(or $(ROUNDS),100)' TAP_TIMEOUT=3600 TAP_TESTS=test/t/301_ledger_crash.pl $(HARNESS)/run tap

check-tamper: bootstrap
	@TWP_TAMPER=full TAP_TIMEOUT=3600 TAP_TESTS=test/t/300_ledger_tamper.pl $(HARNESS)/run tap

check-isolation: bootstrap
	@ISOLATION_TESTS='$(or $(TESTS),$(ISOLATION))' $(HARNESS)/run isolation

check-tap: bootstrap
	@TAP_TESTS='$(or $(wildcard $(TESTS)),$(TESTS),$(TAP))' $(HARNESS)/run tap

check-versions:
	@GOAL='$(or $(GOAL),check)' test/versions/run $(VERSIONS)

deb:
	@test/deb/run $(VERSIONS)

check-sanitizers: bootstrap
	@test/sanitizers/run $(KINDS)

check-core: bootstrap
	@$(HARNESS)/bootstrap bzip2 xz-utils
	@test/core/run $(MODES)

check-browser: bootstrap
	@test/browser/run

check-interop: bootstrap
	@$(HARNESS)/bootstrap pgbouncer
	@TAP_TESTS='$(sort $(wildcard test/interop/*.pl))' $(HARNESS)/run tap

check-all: bootstrap
	@$(HARNESS)/all $(CHECKS)

check-drivers: bootstrap
	@test/drivers/run

check-pg-upgrade: bootstrap
	@test/pg_upgrade/run

check-fuzz: bootstrap
	@test/fuzz/run $(TARGETS)

check-sqlsmith:
	@$(HARNESS)/bootstrap sqlsmith
	@SEED='$(SEED)' QUERIES='$(QUERIES)' test/sqlsmith/run

demo: bootstrap
	@$(HARNESS)/demo '$(DIR)'

bench: bootstrap
	@$(HARNESS)/bootstrap postgresql-$$($(PG_CONFIG) --version | sed -n 's/^PostgreSQL \([0-9]*\).*/\1/p')-pgaudit || echo '# pgaudit is not to be had'
	@BENCH='$(BENCH)' BENCH_SCALE='$(or $(BENCH_SCALE),small)' test/bench/run

dev-cluster: bootstrap
	@$(HARNESS)/dev-cluster start '$(DIR)'

dev-stop:
	@$(HARNESS)/dev-cluster stop '$(DIR)'

help:
	@grep -hE '^## ' test/harness/targets.mk | cut -c4-

bootstrap:
	@$(HARNESS)/bootstrap

# Anything else asked for in the same breath goes to the PGXS half.
.DEFAULT:
	@$(MAKE) --no-print-directory $@
