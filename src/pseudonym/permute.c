/*
 * permute.c - keyed permutations of integers, each type's range onto itself.
 *
 * Equal numbers of integer and bigint columns have one image, so that they
 * join: the numbers an integer can hold are permuted among themselves, the other
 * bigints among the rest.  That a bigint is a small one shows in its image, and
 * nothing else does.  A smallint has a permutation of its own, which agrees with
 * no other: else of each key it would show whether it is below 32,768.
 *
 * A balanced Feistel network of ten rounds (as FF1) whose round function is
 * one AES-256 block.  The range is an exact power of two, so every integer,
 * negative ones too, has one image and no walking is needed.  A small range is
 * a small secret: who sees all 65,536 images of a smallint column knows the
 * whole table, whatever the rounds.
 */
#include "postgres.h"

#include "port/pg_bswap.h"
#include "pseudonym/pseudonym_internal.h"

#define ROUNDS 10

/* Permutes the low bits of number. */
uint64
twp_pseudonym_permute(TwpAes *aes, int bits, uint64 number)
{
	int			half = bits / 2;
	uint64		mask = (UINT64CONST(1) << half) - 1;
	uint64		left = number >> half & mask;
	uint64		right = number & mask;

	for (int round = 0; round < ROUNDS; round++)
	{
		uint8		block[TWP_BLOCK_LEN] = {(uint8) bits, (uint8) round};
		uint64		mixed = pg_hton64(right);

		memcpy(block + 8, &mixed, 8);
		twp_crypto_aes_block(aes, block, block);
		memcpy(&mixed, block, 8);
		mixed = (left ^ pg_ntoh64(mixed)) & mask;
		left = right;
		right = mixed;
	}
	return left << half | right;
}

/* Finds which permutation a number belongs to. */
int
twp_pseudonym_number_bits(bool small, int64 number)
{
	if (small)
		return 16;
	return number >= PG_INT32_MIN && number <= PG_INT32_MAX ? 32 : 64;
}

/* Permutes a number among those of its permutation. */
int64
twp_pseudonym_number_image(TwpAes *aes, int bits, int64 number)
{
	uint64		image = (uint64) number;

	if (bits == 16)
		return (int16) twp_pseudonym_permute(aes, 16, (uint16) number);
	if (bits == 32)
		return (int32) twp_pseudonym_permute(aes, 32, (uint32) number);
	/* walk past the images that belong to integers: one of 2^32 does */
	do
		image = twp_pseudonym_permute(aes, 64, image);
	while (twp_pseudonym_number_bits(false, (int64) image) == 32);
	return (int64) image;
}
