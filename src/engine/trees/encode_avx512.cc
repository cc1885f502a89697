#include <limits>

#include <immintrin.h>

#include "engine/trees/encode.h"

#define SLIP_AVX512 __attribute__((target("avx512f,avx512cd"), always_inline)) inline
#define SLIP_AVX512_CALL __attribute__((target("avx512f,avx512cd")))

namespace slip::trees {
namespace {

SLIP_AVX512 __m512d cleaned(const DoublesWork& work, __m512d x) {
  const __m512d zero = _mm512_setzero_pd();
  const __m512d size = _mm512_castsi512_pd(_mm512_and_epi64(
      _mm512_castpd_si512(x), _mm512_set1_epi64(std::numeric_limits<int64_t>::max())));
  const __mmask8 tiny = _mm512_cmp_pd_mask(size, _mm512_set1_pd(kZeroThreshold), _CMP_LE_OQ);
  if (work.tiny_is_zero) x = _mm512_mask_mov_pd(x, tiny, zero);
  if (work.missing == Missing::kNone)
    x = _mm512_mask_mov_pd(x, _mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q), zero);
  if (work.missing == Missing::kZero)
    x = _mm512_mask_mov_pd(x, tiny, _mm512_set1_pd(std::numeric_limits<double>::quiet_NaN()));
  return x;
}

// Which of eight floats have their bit set.
SLIP_AVX512 __mmask8 found(const DoublesWork& work, __m256 above) {
  const __m256i hash = _mm256_mullo_epi32(_mm256_castps_si256(above),
                                          _mm256_set1_epi32(static_cast<int>(kSlotFactor)));
  const __m256i slot = _mm256_srl_epi32(hash, _mm_cvtsi32_si128(static_cast<int>(work.hash_shift)));
  const __m256i word = _mm256_i32gather_epi32(reinterpret_cast<const int*>(work.maybe),
                                              _mm256_srli_epi32(slot, 5), 4);
  const __m256i bit = _mm256_srlv_epi32(word, _mm256_and_si256(slot, _mm256_set1_epi32(31)));
  // The bit as a sign.
  return static_cast<__mmask8>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_slli_epi32(bit, 31))));
}

}  // namespace

SLIP_AVX512_CALL uint64_t avx512_encode(const DoublesWork& work, bool& nan) {
  const __m512i first =
      _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 0),
                         _mm512_set1_epi32(static_cast<int>(work.stride)));
  const __m256i index = _mm512_maskz_extracti64x4_epi64(0xff, first, 0);
  uint64_t between = 0;
  __mmask8 nans = 0;
  for (size_t r = 0; r < work.rows; r += 8) {
    const size_t left = work.rows - r;
    const auto some = static_cast<__mmask8>(left < 8 ? (1U << left) - 1 : 0xff);
    const __m512d x = cleaned(work, _mm512_mask_i32gather_pd(_mm512_setzero_pd(), some, index,
                                                             work.from + r * work.stride, 8));
    constexpr int kUp = _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC;
    const __m256 above = _mm512_maskz_cvt_roundpd_ps(some, x, kUp);
    const __m512d back = _mm512_maskz_cvtps_pd(some, above);
    const __mmask8 inexact = _mm512_cmp_pd_mask(back, x, _CMP_NEQ_OQ);
    nans = static_cast<__mmask8>(nans | _mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q));
    if (left >= 8) {
      _mm256_storeu_ps(work.to + r, above);
    } else {
      alignas(32) float few[8];
      _mm256_store_ps(few, above);
      for (size_t i = 0; i < left; ++i) work.to[r + i] = few[i];
    }
    if (inexact != 0) between |= static_cast<uint64_t>(inexact & found(work, above)) << r;
  }
  nan = nans != 0;
  return between;
}

}  // namespace slip::trees
