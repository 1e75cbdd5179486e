# twin_privacy: PGXS build.  ROOMS is the one list of rooms: floor order, link
# order and the order of the install script.
EXTENSION = twin_privacy
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" twin_privacy.control)
MODULE_big = twin_privacy

ROOMS = base crypto vocab keys protect uses consent pseudonym ledger \
        breakglass anonymity decision enforce hooks

ROOM_SOURCES = $(foreach room,$(ROOMS),$(sort $(wildcard src/$(room)/*.c)))
OBJS = $(patsubst %.c,%.o,$(ROOM_SOURCES) src/twin_privacy.c)

INSTALL_PARTS = src/install/header.sql \
                $(foreach room,$(ROOMS),$(wildcard src/$(room)/$(room).sql)) \
                src/install/footer.sql
DATA = $(wildcard src/install/upgrade/*--*--*.sql)
DATA_built = $(EXTENSION)--$(EXTVERSION).sql

PG_CPPFLAGS = -Isrc -MMD -MP
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers \
            -Wno-sign-compare -Wno-clobbered -fvisibility=hidden $(EXTRA_CFLAGS)
SHLIB_LINK = -lcrypto
EXTRA_CLEAN = $(EXTENSION)--*.sql $(OBJS:.o=.d) tmp_check results output_iso log

# Nothing here gains from JIT inlining, and building bitcode asks for clang.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifneq ($(PGXS),)
include $(PGXS)
endif

$(EXTENSION)--$(EXTVERSION).sql: $(INSTALL_PARTS) twin_privacy.control Makefile
	cat $(INSTALL_PARTS) > $@

-include $(OBJS:.o=.d)
