/*
 * sampler.h - exact discrete noise from the operating system's generator.
 *
 * After Canonne, Kamath and Steinke, "The Discrete Gaussian for Differential
 * Privacy" (2020): integers only, no rounding anywhere, so the distribution is
 * the one the proofs speak of.  Contract: raises XX000 when there are no
 * random bytes; needs no catalog, no transaction.
 */
#ifndef TWP_SAMPLER_H
#define TWP_SAMPLER_H

#include "postgres.h"

/* Largest numerator and denominator of a scale. */
#define TWP_NOISE_MAX_TERM (UINT64CONST(1) << 56)
/* Largest standard deviation of the discrete Gaussian. */
#define TWP_NOISE_MAX_SIGMA (UINT64CONST(1) << 25)

/* Uniform in 0 .. bound - 1; bound > 0. */
extern uint128 twp_noise_uniform(uint128 bound);
/* True with probability exp(-numerator / denominator). */
extern bool twp_noise_bernoulli_exp(uint128 numerator, uint128 denominator);
/* Discrete Laplace: P(x) is proportional to exp(-|x| denominator / numerator). */
extern int64 twp_noise_laplace(uint64 numerator, uint64 denominator);
/* Discrete Gaussian: P(x) is proportional to exp(-x^2 / (2 sigma^2)). */
extern int64 twp_noise_gaussian(uint64 sigma);

#endif							/* TWP_SAMPLER_H */
