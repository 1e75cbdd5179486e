# targets.mk - targets that find, or as root install, PostgreSQL themselves and
# never touch a cluster that exists.  TESTS=... narrows the check-* targets.
HARNESS = test/harness
export PG_CONFIG

.PHONY: $(HARNESS_GOALS)
.NOTPARALLEL:

check: bootstrap
	@REGRESS_TESTS='$(REGRESS)' ISOLATION_TESTS='$(ISOLATION)' TAP_TESTS='$(TAP)' $(HARNESS)/run

check-regress: bootstrap
	@REGRESS_TESTS='$(or $(TESTS),$(REGRESS))' $(HARNESS)/run regress

check-isolation: bootstrap
	@ISOLATION_TESTS='$(or $(TESTS),$(ISOLATION))' $(HARNESS)/run isolation

check-tap: bootstrap
	@TAP_TESTS='$(or $(wildcard $(TESTS)),$(TESTS),$(TAP))' $(HARNESS)/run tap

# The suite on other major versions, in chroots: make check-versions [VERSIONS='17 18'] [GOAL=all]
check-versions:
	@GOAL='$(or $(GOAL),check)' test/versions/run $(VERSIONS)

# Debian packages, built and tried in chroots: make deb [VERSIONS=17]
deb:
	@test/deb/run $(VERSIONS)

# The suite with assertions and sanitizers: make check-sanitizers [KINDS=regress]
check-sanitizers: bootstrap
	@test/sanitizers/run $(KINDS)

# The guided tour; DIR=... keeps its server.
demo: bootstrap
	@$(HARNESS)/demo '$(DIR)'

# Figures beside their targets: make bench [BENCH='core ...'] [BENCH_SCALE=full]
bench: bootstrap
	@BENCH='$(BENCH)' BENCH_SCALE='$(or $(BENCH_SCALE),small)' test/bench/run

# A cluster to play with: make dev-cluster DIR=/var/tmp/twp [COMMAND='psql ...']
dev-cluster: bootstrap
	@$(HARNESS)/dev-cluster start '$(DIR)'

dev-stop:
	@$(HARNESS)/dev-cluster stop '$(DIR)'

bootstrap:
	@$(HARNESS)/bootstrap

# Anything else asked for in the same breath goes to the PGXS half.
.DEFAULT:
	@$(MAKE) --no-print-directory $@
