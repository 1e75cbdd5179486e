# twin_privacy: PGXS build.  ROOMS is the one list of rooms: floor order, link
# order and the order of the install script.
EXTENSION = twin_privacy
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" twin_privacy.control)
MODULE_big = twin_privacy

ROOMS = base crypto vocab keys protect uses consent pseudonym ledger \
        breakglass anonymity decision lineage enforce operations hooks

ROOM_SOURCES = $(foreach room,$(ROOMS),$(sort $(wildcard src/$(room)/*.c)))
OBJS = $(patsubst %.c,%.o,$(ROOM_SOURCES) src/twin_privacy.c)

INSTALL_PARTS = src/install/header.sql \
                $(foreach room,$(ROOMS),$(sort $(wildcard src/$(room)/*.sql))) \
                src/install/footer.sql
DATA = $(wildcard src/install/upgrade/*--*--*.sql)
DATA_built = $(EXTENSION)--$(EXTVERSION).sql

# 15 leaves PGDLLEXPORT empty, which under -fvisibility=hidden would hide even
# the magic block; later versions define it like this themselves.
PG_CPPFLAGS = -Isrc -DTWP_VERSION='"$(EXTVERSION)"' -I$(libpq_srcdir) -MMD -MP -DPGDLLEXPORT='__attribute__((visibility("default")))'
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers \
            -Wno-sign-compare -Wno-clobbered -fvisibility=hidden $(EXTRA_CFLAGS)
SHLIB_LINK = -lcrypto $(libpq)
EXTRA_CLEAN = $(EXTENSION)--*.sql $(OBJS:.o=.d) tmp_check results output_iso log

include test/schedule.mk

# Nothing here gains from JIT inlining, and building bitcode asks for clang.
override with_llvm = no

# The harness makes its own clusters; there is nothing to check on a running one.
NO_INSTALLCHECK = 1

PG_CONFIG ?= pg_config
HARNESS_GOALS = check check-crash check-tamper check-regress check-isolation check-tap dev-cluster dev-stop bootstrap help \
                lint demo bench check-core check-sqlsmith check-versions check-sanitizers check-fuzz check-browser check-interop check-drivers check-pg-upgrade check-all deb
ifneq ($(filter $(HARNESS_GOALS),$(MAKECMDGOALS)),)
include test/harness/targets.mk

# Fast, needs nothing built; sees the exported symbols when something is.
lint:
	@test/lint/lint
	@test/lint/selftest

else

PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
ifeq ($(PGXS),)
$(error $(PG_CONFIG) names no PGXS makefile: install postgresql-server-dev-NN or set PG_CONFIG ("make check" as root does the former))
endif
include $(PGXS)

$(EXTENSION)--$(EXTVERSION).sql: $(INSTALL_PARTS) twin_privacy.control Makefile
	cat $(INSTALL_PARTS) > $@

src/operations/operations.o: twin_privacy.control

-include $(OBJS:.o=.d)
endif
