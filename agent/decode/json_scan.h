/* Finding the next byte that matters, 16 at a time where the processor can (SSE2 is part of every
 * x86-64), 8 elsewhere. Never reads at or beyond `end`. */
#pragma once

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(SC_JSON_SCAN_PORTABLE)
#define SC_JSON_SCAN_SSE2 1
#include <emmintrin.h>
#endif

static inline bool sc_json_is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The first byte of a string's inside that is not plain ASCII text: '"', '\\', below 0x20, or above
 * 0x7F. Or `end`. */
static inline const char *sc_json_plain_end(const char *p, const char *end)
{
#ifdef SC_JSON_SCAN_SSE2
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'),
                  blank = _mm_set1_epi8(0x20);

    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* signed: bytes above 0x7F are negative, so they are below 0x20 too */
        __m128i odd =
            _mm_or_si128(_mm_cmplt_epi8(x, blank),
                         _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, slash)));
        unsigned mask = (unsigned)_mm_movemask_epi8(odd);

        if (mask)
            return p + __builtin_ctz(mask);
    }
#else
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;

    for (; end - p >= 8; p += 8) {
        uint64_t x, quote, slash;

        memcpy(&x, p, 8);
        quote = x ^ (ones * '"');
        slash = x ^ (ones * '\\');
        /* x - 0x20, and v - 1 for v == 0, borrow into the high bit; a false alarm only sends us to
         * the loop below */
        if (((x - ones * 0x20) | (quote - ones) | (slash - ones) | x) & highs)
            break;
    }
#endif
    while (p != end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
           *p != '\\')
        p++;
    return p;
}

/* The first byte that is not a blank, or `end`. */
static inline const char *sc_json_skip_blanks(const char *p, const char *end)
{
    if (p != end && (unsigned char)*p > ' ')
        return p;
#ifdef SC_JSON_SCAN_SSE2
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i space = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8(' ')),
                                     _mm_cmpeq_epi8(x, _mm_set1_epi8('\n')));
        __m128i other = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('\r')),
                                     _mm_cmpeq_epi8(x, _mm_set1_epi8('\t')));
        unsigned mask = 0xFFFFu & ~(unsigned)_mm_movemask_epi8(_mm_or_si128(space, other));

        if (mask)
            return p + __builtin_ctz(mask);
    }
#endif
    while (p != end && sc_json_is_blank(*p))
        p++;
    return p;
}
