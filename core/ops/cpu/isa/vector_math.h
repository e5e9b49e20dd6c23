/* Scalar functions without branches or calls, so that the compiler makes vectors of them under `omp simd`. */
#ifndef SIM_VECTOR_MATH_H
#define SIM_VECTOR_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* exp to about 1 ulp: x = n ln 2 + r, |r| <= ln 2 / 2, Taylor of degree 7 in r, the power of two by exponent
 * bits. Below -87.3 the result is a tiny positive number instead of a denormal; above 88.3 it stays finite.
 */
static inline float sim_expf(float x)
{
    x = x < -87.3f ? -87.3f : x;
    x = x > 88.3f ? 88.3f : x;
    float n = rintf(x * 1.44269504088896341f);
    float r = fmaf(n, -0.693359375f, x); /* ln 2 in two parts: the first exact times n */
    r = fmaf(n, 2.12194440054690583e-4f, r);
    float p = 1.98412698e-4f;
    p = fmaf(p, r, 1.38888889e-3f);
    p = fmaf(p, r, 8.33333333e-3f);
    p = fmaf(p, r, 4.16666667e-2f);
    p = fmaf(p, r, 1.66666667e-1f);
    p = fmaf(p, r, 0.5f);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    uint32_t bits = (uint32_t)((int32_t)n + 127) << 23; /* of a NaN: any bits, p is NaN already */
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

/* The normal distribution: upper tail Q(a) = exp(-a a / 2) R(1 / (1 + a / 4)) for a >= 0, R the polynomial of
 * degree 9 that fits with relative error 1.5e-8 on 0 <= a <= 14.  Near zero, where rounding 1 / (1 + a / 4)
 * would cost digits of Phi = 1/2, Phi(x) = 1/2 + x S(x x) instead, S of degree 6, to 1e-9 on |x| <= 1.3.
 * (Least squares, reweighted towards the largest error; made for this file.)  Returns Phi(x) and puts the
 * density into *density: what GELU and its slope need, for one exp and one division. */
static inline float sim_normal_cdf(float x, float *density)
{
    float a = fabsf(x);
    float e = sim_expf(-0.5f * x * x);
    float t = 1.0f / fmaf(a, 0.25f, 1.0f);
    float p = 0.0339468978f;
    p = fmaf(p, t, -0.196178213f);
    p = fmaf(p, t, 0.395003378f);
    p = fmaf(p, t, -0.333471686f);
    p = fmaf(p, t, 0.304488748f);
    p = fmaf(p, t, -0.0203849915f);
    p = fmaf(p, t, 0.12156824f);
    p = fmaf(p, t, 0.0948201939f);
    p = fmaf(p, t, 0.100229003f);
    p = fmaf(p, t, -2.160041e-05f);
    float tail = e * p, u = x * x;
    float q = 4.63341422e-07f;
    q = fmaf(q, u, -9.00099167e-06f);
    q = fmaf(q, u, 0.00011493553f);
    q = fmaf(q, u, -0.00118703523f);
    q = fmaf(q, u, 0.00997347385f);
    q = fmaf(q, u, -0.0664903745f);
    q = fmaf(q, u, 0.398942292f);
    float far = x < 0.0f ? tail : 1.0f - tail;
    *density = 0.398942280401432678f * e;
    return a < 1.3f ? fmaf(x, q, 0.5f) : far;
}

#endif
