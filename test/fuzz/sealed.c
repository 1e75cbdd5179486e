/*
 * sealed.c - fuzzes the text and binary input of type sealed.
 */
#include "postgres.h"

#include "pseudonym/sealed_value.c"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* exactly the room that is promised to be enough */
	uint8	   *bytes = malloc(size / 2 + 1);
	uint8	   *copy = malloc(size + 1);

	if (twp_sealed_parse((const char *) data, size, bytes))
	{
		uint8		header[TWP_SEALED_HEADER_LEN];

		if (size / 2 < TWP_SEALED_MIN_LEN || !twp_sealed_valid(bytes, size / 2))
			abort();
		twp_sealed_set_header(header, twp_sealed_domain_of(bytes), twp_sealed_version_of(bytes), bytes[6]);
		if (memcmp(header, bytes, sizeof(header)) != 0)
			abort();
	}
	memcpy(copy, data, size);
	if (twp_sealed_valid(copy, size) && (size < TWP_SEALED_MIN_LEN || twp_sealed_domain_of(copy) <= 0))
		abort();
	free(copy);
	free(bytes);
	return 0;
}
