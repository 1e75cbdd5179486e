/*
 * ff1.c - format-preserving encryption FF1 (NIST SP 800-38G, revision 1 draft 2).
 *
 * Names follow the standard: a message of n numerals of a radix is split into
 * halves of u and v numerals; ten Feistel rounds add PRF values to one half
 * modulo radix^u or radix^v.  b is the length of a half as a byte string, d that
 * of the PRF's output.  Halves that fit 64 bits (19 decimal digits each, 12 of
 * base 36) are computed in machine words, longer ones with OpenSSL's BIGNUM.
 *
 * Lengths are computed from the number radix^v itself, never by logarithms of
 * floating point, whose rounding is the classic fault of FF1.
 *
 * Memory: palloc'd scratch, wiped and freed before returning.  Failure: false
 * for a message the standard does not allow; XX000 when the library fails.
 */
#include "postgres.h"

#include <openssl/bn.h>

#include "crypto/crypto.h"
#include "crypto/crypto_internal.h"
#include "port/pg_bswap.h"

#define ROUNDS 10
#define MIN_DOMAIN 1000000
#define MAX_RADIX 65536

typedef struct Ff1
{
	TwpAes	   *aes;
	uint32		radix;
	int			u;
	int			v;
	int			b;
	int			d;
	uint8		chained[TWP_BLOCK_LEN]; /* CBC-MAC of P and the whole blocks of the tweak */
	uint8	   *tail;			/* rest of Q: end of the tweak, zeros, round, number */
	int			tail_len;
	uint8	   *stream;			/* PRF output, a multiple of 16 and at least d bytes */
} Ff1;

/* Absorbs whole blocks into a CBC-MAC. */
static void
cbc_absorb(TwpAes *aes, uint8 state[TWP_BLOCK_LEN], const uint8 *data, int len)
{
	for (int at = 0; at < len; at += TWP_BLOCK_LEN)
	{
		for (int i = 0; i < TWP_BLOCK_LEN; i++)
			state[i] ^= data[at + i];
		twp_crypto_aes_block(aes, state, state);
	}
}

/* Stores a number in network order. */
static void
put_uint32(uint8 *out, uint32 number)
{
	number = pg_hton32(number);
	memcpy(out, &number, sizeof(number));
}

/* Computes what the ten rounds share. */
static void
ff1_start(Ff1 *ff1, int n, const uint8 *tweak, int tweak_len)
{
	uint8		p[TWP_BLOCK_LEN] = {1, 2, 1};
	int			whole = tweak_len / TWP_BLOCK_LEN * TWP_BLOCK_LEN;
	int			padded;

	ff1->d = 4 * ((ff1->b + 3) / 4) + 4;
	p[3] = (uint8) (ff1->radix >> 16);
	p[4] = (uint8) (ff1->radix >> 8);
	p[5] = (uint8) ff1->radix;
	p[6] = ROUNDS;
	p[7] = (uint8) ff1->u;
	put_uint32(p + 8, n);
	put_uint32(p + 12, tweak_len);
	memset(ff1->chained, 0, TWP_BLOCK_LEN);
	cbc_absorb(ff1->aes, ff1->chained, p, TWP_BLOCK_LEN);
	cbc_absorb(ff1->aes, ff1->chained, tweak, whole);

	padded = TYPEALIGN(TWP_BLOCK_LEN, tweak_len + ff1->b + 1);
	ff1->tail_len = padded - whole;
	ff1->tail = palloc0(ff1->tail_len);
	if (tweak_len > whole)
		memcpy(ff1->tail, tweak + whole, tweak_len - whole);
	ff1->stream = palloc(TYPEALIGN(TWP_BLOCK_LEN, ff1->d));
}

/* Wipes and frees the scratch. */
static void
ff1_end(Ff1 *ff1)
{
	twp_crypto_wipe(ff1->tail, ff1->tail_len);
	twp_crypto_wipe(ff1->stream, TYPEALIGN(TWP_BLOCK_LEN, ff1->d));
	pfree(ff1->tail);
	pfree(ff1->stream);
}

/* Where the round's number goes: the last b bytes of Q. */
static inline uint8 *
number_place(Ff1 *ff1)
{
	return ff1->tail + ff1->tail_len - ff1->b;
}

/* Fills stream with the PRF of the round and of the number in its place. */
static void
ff1_round(Ff1 *ff1, int round)
{
	uint8	   *state = ff1->stream;

	ff1->tail[ff1->tail_len - ff1->b - 1] = (uint8) round;
	memcpy(state, ff1->chained, TWP_BLOCK_LEN);
	cbc_absorb(ff1->aes, state, ff1->tail, ff1->tail_len);
	for (int j = 1; j * TWP_BLOCK_LEN < ff1->d; j++)
	{
		uint8	   *block = state + j * TWP_BLOCK_LEN;
		uint8		counter[TWP_BLOCK_LEN];

		memcpy(counter, state, TWP_BLOCK_LEN);
		for (int i = 0; i < 4; i++)
			counter[TWP_BLOCK_LEN - 1 - i] ^= (uint8) ((uint32) j >> (8 * i));
		twp_crypto_aes_block(ff1->aes, counter, block);
	}
}

#ifdef HAVE_INT128

/* Computes radix^n; false when it does not fit 64 bits. */
static bool
power(uint32 radix, int n, uint64 *result)
{
	*result = 1;
	while (n-- > 0)
		if (__builtin_mul_overflow(*result, (uint64) radix, result))
			return false;
	return true;
}

/* Reads numerals as a number. */
static uint64
number_of(uint32 radix, const uint32 *digits, int n)
{
	uint64		number = 0;

	for (int i = 0; i < n; i++)
		number = number * radix + digits[i];
	return number;
}

/* Writes a number as numerals. */
static void
digits_of(uint32 radix, uint64 number, uint32 *digits, int n)
{
	while (n-- > 0)
	{
		digits[n] = (uint32) (number % radix);
		number /= radix;
	}
}

/* Computes the round's PRF of a number, modulo a bound. */
static uint64
small_prf(Ff1 *ff1, int round, uint64 number, uint64 modulus)
{
	uint8	   *place = number_place(ff1);
	uint128		y = 0;

	for (int i = ff1->b; i-- > 0; number >>= 8)
		place[i] = (uint8) number;
	ff1_round(ff1, round);
	for (int i = 0; i < ff1->d; i++)
		y = y << 8 | ff1->stream[i];
	return (uint64) (y % modulus);
}

/* Runs FF1 in machine words; false, with nothing done, when a half does not fit. */
static bool
ff1_small(Ff1 *ff1, bool encrypt, const uint8 *tweak, int tweak_len, uint32 *digits)
{
	uint64		mod_u;
	uint64		mod_v;
	uint64		half[2];

	if (!power(ff1->radix, ff1->v, &mod_v))
		return false;
	(void) power(ff1->radix, ff1->u, &mod_u);
	ff1->b = 0;
	for (uint64 top = mod_v - 1; top > 0; top >>= 8)
		ff1->b++;
	ff1_start(ff1, ff1->u + ff1->v, tweak, tweak_len);

	half[0] = number_of(ff1->radix, digits, ff1->u);
	half[1] = number_of(ff1->radix, digits + ff1->u, ff1->v);
	for (int i = 0; i < ROUNDS; i++)
	{
		int			round = encrypt ? i : ROUNDS - 1 - i;
		uint64		modulus = round % 2 == 0 ? mod_u : mod_v;
		uint64	   *changed = &half[round % 2];
		uint64		add = small_prf(ff1, round, half[1 - round % 2], modulus);

		if (!encrypt && add != 0)
			add = modulus - add;
		*changed = (uint64) (((uint128) *changed + add) % modulus);
	}
	digits_of(ff1->radix, half[0], digits, ff1->u);
	digits_of(ff1->radix, half[1], digits + ff1->u, ff1->v);
	ff1_end(ff1);
	return true;
}

#endif							/* HAVE_INT128 */

/* The numbers of a computation with BIGNUM. */
typedef struct Big
{
	BN_CTX	   *scratch;
	BIGNUM	   *modulus[2];
	BIGNUM	   *half[2];
	BIGNUM	   *y;
} Big;

/* Reads numerals as a number. */
static bool
big_number_of(BIGNUM *number, uint32 radix, const uint32 *digits, int n)
{
	bool		ok = BN_set_word(number, 0) == 1;

	for (int i = 0; ok && i < n; i++)
		ok = BN_mul_word(number, radix) == 1 && BN_add_word(number, digits[i]) == 1;
	return ok;
}

/* Writes a number, which it consumes, as numerals. */
static void
big_digits_of(BIGNUM *number, uint32 radix, uint32 *digits, int n)
{
	while (n-- > 0)
		digits[n] = (uint32) BN_div_word(number, radix);
}

/* Makes the numbers, all wiped when freed, and the two bounds. */
static bool
big_start(Big *big, const Ff1 *ff1)
{
	int			len[2] = {ff1->u, ff1->v};
	bool		ok;

	big->scratch = BN_CTX_secure_new();
	big->y = BN_new();
	ok = big->scratch != NULL && big->y != NULL;
	for (int i = 0; i < 2; i++)
	{
		big->half[i] = BN_new();
		big->modulus[i] = BN_new();
		ok = ok && big->half[i] != NULL && big->modulus[i] != NULL &&
			BN_set_word(big->modulus[i], 1) == 1;
		for (int j = 0; ok && j < len[i]; j++)
			ok = BN_mul_word(big->modulus[i], ff1->radix) == 1;
	}
	return ok;
}

/* Frees and wipes the numbers. */
static void
big_end(Big *big)
{
	for (int i = 0; i < 2; i++)
	{
		BN_clear_free(big->half[i]);
		BN_free(big->modulus[i]);
	}
	BN_clear_free(big->y);
	BN_CTX_free(big->scratch);
}

/* Runs the ten rounds; false when the library fails. */
static bool
big_rounds(Big *big, Ff1 *ff1, bool encrypt)
{
	bool		ok = true;

	for (int i = 0; ok && i < ROUNDS; i++)
	{
		int			round = encrypt ? i : ROUNDS - 1 - i;
		BIGNUM	   *changed = big->half[round % 2];
		BIGNUM	   *modulus = big->modulus[round % 2];

		ok = BN_bn2binpad(big->half[1 - round % 2], number_place(ff1), ff1->b) == ff1->b;
		ff1_round(ff1, round);
		ok = ok && BN_bin2bn(ff1->stream, ff1->d, big->y) != NULL &&
			(encrypt ? BN_mod_add(changed, changed, big->y, modulus, big->scratch) :
			 BN_mod_sub(changed, changed, big->y, modulus, big->scratch)) == 1;
	}
	return ok;
}

/* Runs FF1 with numbers of any length. */
static void
ff1_big(Ff1 *ff1, bool encrypt, const uint8 *tweak, int tweak_len, uint32 *digits)
{
	Big			big = {0};
	bool		ok = false;

	/* a failing AES raises; the numbers lie outside palloc, so catch it */
	PG_TRY();
	{
		ok = big_start(&big, ff1) &&
			big_number_of(big.half[0], ff1->radix, digits, ff1->u) &&
			big_number_of(big.half[1], ff1->radix, digits + ff1->u, ff1->v) &&
			BN_sub_word(big.modulus[1], 1) == 1;
		if (ok)
		{
			ff1->b = BN_num_bytes(big.modulus[1]);
			ok = BN_add_word(big.modulus[1], 1) == 1;
			ff1_start(ff1, ff1->u + ff1->v, tweak, tweak_len);
			ok = ok && big_rounds(&big, ff1, encrypt);
			ff1_end(ff1);
		}
		if (ok)
		{
			big_digits_of(big.half[0], ff1->radix, digits, ff1->u);
			big_digits_of(big.half[1], ff1->radix, digits + ff1->u, ff1->v);
		}
	}
	PG_FINALLY();
	{
		big_end(&big);
	}
	PG_END_TRY();
	if (!ok)
		twp_crypto_fail("FF1");
}

/* True when the standard and our limits allow the message. */
static bool
ff1_allowed(uint32 radix, const uint32 *digits, int n)
{
	uint64		domain = 1;

	if (radix < 2 || radix > MAX_RADIX || n < 2 || n > TWP_FF1_MAX_LEN)
		return false;
	for (int i = 0; i < n; i++)
	{
		if (digits[i] >= radix)
			return false;
		if (domain < MIN_DOMAIN)
			domain *= radix;
	}
	return domain >= MIN_DOMAIN;
}

/* Encrypts or decrypts numerals in place. */
bool
twp_crypto_ff1(TwpAes *aes, bool encrypt, uint32 radix, const uint8 *tweak, size_t tweak_len,
			   uint32 *digits, int n)
{
	Ff1			ff1 = {.aes = aes, .radix = radix, .u = n / 2, .v = n - n / 2};

	if (!ff1_allowed(radix, digits, n) || tweak_len > TWP_FF1_MAX_LEN)
		return false;
#ifdef HAVE_INT128
	if (ff1_small(&ff1, encrypt, tweak, (int) tweak_len, digits))
		return true;
#endif
	ff1_big(&ff1, encrypt, tweak, (int) tweak_len, digits);
	return true;
}
