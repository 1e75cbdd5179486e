# twin_privacy on the official PostgreSQL image.
#
#   docker build --build-arg PG_MAJOR=17 -t twin_privacy .
#   openssl rand -hex 32 > master.key
#   docker run -e POSTGRES_PASSWORD=... -v "$PWD/master.key:/run/secrets/twin_privacy_key:ro" twin_privacy
#
# Everything the image documents holds here, too: POSTGRES_DB, initdb scripts, the
# volume. The master key comes as a secret and is read by a command, since a mounted
# file does not belong to the server's user. Without the secret the server runs, and
# what needs the key is refused.
ARG PG_MAJOR=17

FROM postgres:${PG_MAJOR} AS build
RUN set -eux; \
	apt-get update; \
	apt-get install -y --no-install-recommends gcc libc6-dev libssl-dev make "postgresql-server-dev-$PG_MAJOR"; \
	rm -rf /var/lib/apt/lists/*
COPY . /usr/src/twin_privacy
RUN set -eux; \
	make -C /usr/src/twin_privacy -j "$(nproc)" install DESTDIR=/out

FROM postgres:${PG_MAJOR}
LABEL org.opencontainers.image.title="twin_privacy" \
	org.opencontainers.image.description="PostgreSQL with consent, purpose of use, masking and disclosure records for patient data" \
	org.opencontainers.image.licenses="PostgreSQL"
COPY --from=build /out/ /
RUN set -eux; \
	echo 'CREATE EXTENSION twin_privacy CASCADE;' > /docker-entrypoint-initdb.d/10-twin_privacy.sql
CMD ["postgres", "-c", "shared_preload_libraries=twin_privacy", "-c", "twin_privacy.master_key_command=cat /run/secrets/twin_privacy_key"]
