// The transforms of Winograd's F(4x4, 3x3): Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks",
// CVPR 2016, arXiv 1509.09308. Four outputs y of a three-tap kernel g over six inputs d are
//   y = A^T [(G g) * (B^T d)]    (* element by element),
// the gradient for g is G^T [(A dy) * (B^T d)],
// in two dimensions each matrix applied to rows and to columns: 36 products instead of 144. The matrices
// follow from five points of interpolation (and infinity). 0, 1, -1, 2, -2 are usual; 0 and +-5/8, +-3/2
// halve the error (Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution for
// Deep Neural Networks", ACM TOMS 2020, arXiv 1803.10986, on the choice of points), which leaves 1.5 times
// that of direct sums. V is what is transformed: lanes of floats, or a number of its own kind.
#pragma once

namespace {

constexpr int kWinogradOutputs = 4, kWinogradInputs = 6, kWinogradProducts = 36;

template <class V>
[[gnu::always_inline]] inline V plus_times(V a, float factor, V b) {
  a.add_product(V::all(factor), b);  // a constant of the code, which lies in memory as a vector
  return a;
}

template <class V>
[[gnu::always_inline]] inline V times(float factor, V b) {
  return plus_times(V::zero(), factor, b);
}

constexpr float kPoint1 = 5.0f / 8, kPoint2 = 3.0f / 2;  // these and their negatives
constexpr float kSquare1 = kPoint1 * kPoint1, kSquare2 = kPoint2 * kPoint2;
constexpr float kScale1 =
    1 / (2 * kSquare1 * (kSquare1 - kSquare2));  // 1 / product of the other points' distances
constexpr float kScale2 = 1 / (2 * kSquare2 * (kSquare2 - kSquare1));

/// B^T
struct InputTransform {
  static constexpr int kFrom = 6, kTo = 6;
  template <class V>
  [[gnu::always_inline]] static void apply(const V (&d)[6], V (&t)[6]) {
    t[0] = plus_times(plus_times(d[4], -(kSquare1 + kSquare2), d[2]), kSquare1 * kSquare2, d[0]);
    const V a = plus_times(d[4], -kSquare2, d[2]), b = plus_times(d[3], -kSquare2, d[1]);
    t[1] = plus_times(a, kPoint1, b);
    t[2] = plus_times(a, -kPoint1, b);
    const V c = plus_times(d[4], -kSquare1, d[2]), e = plus_times(d[3], -kSquare1, d[1]);
    t[3] = plus_times(c, kPoint2, e);
    t[4] = plus_times(c, -kPoint2, e);
    t[5] = plus_times(plus_times(d[5], -(kSquare1 + kSquare2), d[3]), kSquare1 * kSquare2, d[1]);
  }
};

/// G
struct WeightTransform {
  static constexpr int kFrom = 3, kTo = 6;
  template <class V>
  [[gnu::always_inline]] static void apply(const V (&g)[3], V (&t)[6]) {
    t[0] = times(1 / (kSquare1 * kSquare2), g[0]);
    const V a = times(kScale1, plus_times(g[0], kSquare1, g[2])), b = times(kScale1 * kPoint1, g[1]);
    t[1] = a + b;
    t[2] = a - b;
    const V c = times(kScale2, plus_times(g[0], kSquare2, g[2])), e = times(kScale2 * kPoint2, g[1]);
    t[3] = c + e;
    t[4] = c - e;
    t[5] = g[2];
  }
};

/// A^T
struct OutputTransform {
  static constexpr int kFrom = 6, kTo = 4;
  template <class V>
  [[gnu::always_inline]] static void apply(const V (&m)[6], V (&y)[4]) {
    const V s = m[1] + m[2], d = m[1] - m[2], p = m[3] + m[4], q = m[3] - m[4];
    y[0] = m[0] + s + p;
    y[1] = plus_times(times(kPoint2, q), kPoint1, d);
    y[2] = plus_times(times(kSquare2, p), kSquare1, s);
    y[3] = plus_times(plus_times(m[5], kPoint2 * kSquare2, q), kPoint1 * kSquare1, d);
  }
};

/// A
struct OutputGradTransform {
  static constexpr int kFrom = 4, kTo = 6;
  template <class V>
  [[gnu::always_inline]] static void apply(const V (&dy)[4], V (&t)[6]) {
    t[0] = dy[0];
    const V a = plus_times(dy[0], kSquare1, dy[2]), b = plus_times(dy[1], kSquare1, dy[3]);
    t[1] = plus_times(a, kPoint1, b);
    t[2] = plus_times(a, -kPoint1, b);
    const V c = plus_times(dy[0], kSquare2, dy[2]), e = plus_times(dy[1], kSquare2, dy[3]);
    t[3] = plus_times(c, kPoint2, e);
    t[4] = plus_times(c, -kPoint2, e);
    t[5] = dy[3];
  }
};

/// G^T
struct WeightGradTransform {
  static constexpr int kFrom = 6, kTo = 3;
  template <class V>
  [[gnu::always_inline]] static void apply(const V (&m)[6], V (&g)[3]) {
    const V s = times(kScale1, m[1] + m[2]), d = times(kScale1 * kPoint1, m[1] - m[2]);
    const V p = times(kScale2, m[3] + m[4]), q = times(kScale2 * kPoint2, m[3] - m[4]);
    g[0] = plus_times(s + p, 1 / (kSquare1 * kSquare2), m[0]);
    g[1] = d + q;
    g[2] = plus_times(plus_times(m[5], kSquare1, s), kSquare2, p);
  }
};

// One column of T applied to the columns of a square of vectors, and one row of that to its rows.
template <class V, class T, class Load>
[[gnu::always_inline]] inline void transform_column(int j, V (&half)[T::kTo][T::kFrom], const Load& load) {
  V from[T::kFrom], to[T::kTo];
#pragma GCC unroll 6
  for (int i = 0; i < T::kFrom; ++i) from[i] = load(i, j);
  T::apply(from, to);
#pragma GCC unroll 6
  for (int i = 0; i < T::kTo; ++i) half[i][j] = to[i];
}
template <class V, class T, class Store>
[[gnu::always_inline]] inline void transform_row(int i, const V (&half)[T::kTo][T::kFrom],
                                                 const Store& store) {
  V to[T::kTo];
  T::apply(half[i], to);
#pragma GCC unroll 6
  for (int j = 0; j < T::kTo; ++j) store(i, j, to[j]);
}

/// T x T^T of a square of vectors: load(i, j) gives one, store(i, j, vector) takes one.
template <class V, class T, class Load, class Store>
[[gnu::always_inline]] inline void transform_square(Load load, Store store) {
  V half[T::kTo][T::kFrom];
#pragma GCC unroll 6
  for (int j = 0; j < T::kFrom; ++j) transform_column<V, T>(j, half, load);
#pragma GCC unroll 6
  for (int i = 0; i < T::kTo; ++i) transform_row<V, T>(i, half, store);
}

/// The same, a column and a row at a time: less code, and fewer registers for addresses where strides are
/// known at run time only.
template <class V, class T, class Load, class Store>
[[gnu::always_inline]] inline void transform_square_in_steps(Load load, Store store) {
  V half[T::kTo][T::kFrom];
#pragma GCC unroll 1
  for (int j = 0; j < T::kFrom; ++j) transform_column<V, T>(j, half, load);
#pragma GCC unroll 1
  for (int i = 0; i < T::kTo; ++i) transform_row<V, T>(i, half, store);
}

}  // namespace
