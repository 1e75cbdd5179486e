/*
 * ff1.c - fuzzes FF1: what it accepts turns back, what it refuses stays as it was,
 * and machine words agree with BIGNUM.
 */
#include "postgres.h"

#include "crypto/cipher.c"
#include "crypto/ff1.c"
#include "crypto/random.c"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The two ways must agree where both can go. */
static void
check_big(TwpAes *aes, uint32 radix, const uint8 *tweak, int tweak_len, const uint32 *plain,
		  const uint32 *cipher, int n)
{
	uint32	   *digits = malloc(n * sizeof(uint32));
	Ff1			ff1 = {.aes = aes, .radix = radix, .u = n / 2, .v = n - n / 2};

	memcpy(digits, plain, n * sizeof(uint32));
	ff1_big(&ff1, true, tweak, tweak_len, digits);
	if (memcmp(digits, cipher, n * sizeof(uint32)) != 0)
		abort();
	free(digits);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8		key[TWP_KEY_LEN] = {0};
	TwpAes	   *aes;
	uint32		radix;
	int			tweak_len;
	int			n;
	uint32	   *digits;
	uint32	   *plain;

	if (size < 4)
		return 0;
	radix = data[0] < 4 ? (uint32) data[1] << 8 : 2 + data[1] % 64;
	tweak_len = data[2] % 40;
	key[0] = data[3];
	data += 4;
	size -= 4;
	tweak_len = Min(tweak_len, (int) size);
	n = (int) size - tweak_len;
	digits = malloc((n + 1) * sizeof(uint32));
	plain = malloc((n + 1) * sizeof(uint32));
	for (int i = 0; i < n; i++)
		plain[i] = digits[i] = radix > 256 ? data[tweak_len + i] * 7 : data[tweak_len + i] % (Max(radix, 1) + (key[0] == 255));

	aes = twp_crypto_aes_create(NULL, key, sizeof(key));
	if (twp_crypto_ff1(aes, true, radix, data, tweak_len, digits, n))
	{
		for (int i = 0; i < n; i++)
			if (digits[i] >= radix)
				abort();
		check_big(aes, radix, data, tweak_len, plain, digits, n);
		if (!twp_crypto_ff1(aes, false, radix, data, tweak_len, digits, n))
			abort();
	}
	if (memcmp(digits, plain, n * sizeof(uint32)) != 0)
		abort();
	aes_release(aes);
	free(aes);
	free(digits);
	free(plain);
	return 0;
}
