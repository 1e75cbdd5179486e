/*
 * sampler.c - exact discrete Laplace and Gaussian noise.
 *
 * Random bytes are fetched in blocks and wiped as they are used.  Products
 * need at most 128 bits; what a proof says of an unbounded variable is cut
 * where its probability is below e^-64.  Nothing here is timed constantly:
 * what is sampled is added to what leaves anyway.
 */
#include "postgres.h"

#include "anonymity/sampler.h"

#define BLOCK_SIZE 4096
/* A geometric variable with ratio 1/e above this is drawn again. */
#define MAX_GEOMETRIC 1000

static uint64 block[BLOCK_SIZE / sizeof(uint64)];
static int	block_left = 0;

/* The next 64 random bits. */
static inline uint64
random_bits(void)
{
	uint64		bits;

	if (block_left == 0)
	{
		if (!pg_strong_random(block, sizeof(block)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random bytes")));
		block_left = lengthof(block);
	}
	bits = block[--block_left];
	block[block_left] = 0;
	return bits;
}

/* Uniform in 0 .. bound - 1, for bounds of 64 bits: multiply and reject (Lemire). */
static inline uint64
uniform64(uint64 bound)
{
	uint128		product = (uint128) random_bits() * bound;

	if ((uint64) product < bound)
	{
		uint64		threshold = (uint64) (-bound) % bound;

		while ((uint64) product < threshold)
			product = (uint128) random_bits() * bound;
	}
	return (uint64) (product >> 64);
}

/* Uniform in 0 .. bound - 1. */
uint128
twp_noise_uniform(uint128 bound)
{
	uint128		mask;
	uint128		value;
	uint64		high = (uint64) ((bound - 1) >> 64);

	if (high == 0)
		return bound == (uint128) 1 << 64 ? random_bits() : uniform64((uint64) bound);
	mask = (uint128) (PG_UINT64_MAX >> __builtin_clzll(high)) << 64 | PG_UINT64_MAX;
	do
	{
		value = ((uint128) random_bits() << 64 | random_bits()) & mask;
	} while (value >= bound);
	return value;
}

/* True with probability exp(-numerator / denominator), for at most 1. */
static bool
bernoulli_exp_below_one(uint128 numerator, uint128 denominator)
{
	uint32		k = 1;

	/* each round goes on with probability numerator / (denominator k) */
	while (twp_noise_uniform(denominator * k) < numerator)
		k++;
	return (k & 1) == 1;
}

/* True with probability exp(-numerator / denominator). */
bool
twp_noise_bernoulli_exp(uint128 numerator, uint128 denominator)
{
	while (numerator > denominator)
	{
		if (!bernoulli_exp_below_one(1, 1))
			return false;
		numerator -= denominator;
	}
	return bernoulli_exp_below_one(numerator, denominator);
}

/* How often in a row something of probability 1/e happens. */
static int
geometric(void)
{
	int			n = 0;

	while (n < MAX_GEOMETRIC && bernoulli_exp_below_one(1, 1))
		n++;
	return n;
}

/* Discrete Laplace of scale numerator / denominator. */
int64
twp_noise_laplace(uint64 numerator, uint64 denominator)
{
	Assert(numerator > 0 && numerator <= TWP_NOISE_MAX_TERM && denominator > 0 && denominator <= TWP_NOISE_MAX_TERM);
	for (;;)
	{
		uint64		u = uniform64(numerator);
		uint128		x;
		bool		negative;

		if (!bernoulli_exp_below_one(u, numerator))
			continue;
		x = (u + (uint128) numerator * geometric());
		x = (x >> 64) == 0 ? (uint128) ((uint64) x / denominator) : x / denominator;
		negative = (random_bits() & 1) != 0;
		/* zero would otherwise come twice as often; beyond 62 bits is a chance of e^-64 at the largest scale */
		if ((negative && x == 0) || (x >> 62) != 0)
			continue;
		return negative ? -(int64) x : (int64) x;
	}
}

/* Discrete Gaussian of a whole standard deviation, by rejection from the Laplace of the same scale. */
int64
twp_noise_gaussian(uint64 sigma)
{
	uint128		variance = (uint128) sigma * sigma;

	Assert(sigma > 0 && sigma <= TWP_NOISE_MAX_SIGMA);
	for (;;)
	{
		int64		y = twp_noise_laplace(sigma + 1, 1);
		uint128		scaled = (uint128) (y < 0 ? -y : y) * (sigma + 1);
		uint128		distance = scaled > variance ? scaled - variance : variance - scaled;
		uint128		denominator = 2 * variance * (sigma + 1) * (sigma + 1);

		/* (|y| - variance / t)^2 / (2 variance), all over t^2 with t = sigma + 1 */
		if (twp_noise_bernoulli_exp(distance * distance, denominator))
			return y;
	}
}
