/*
 * permute.c - a keyed permutation of all integers of 16, 32 or 64 bits.
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
