// The sum of squares and the cross-entropy of two guesses at the digit 2.
#include <cmath>
#include <cstdio>
#include <vector>

using Values = std::vector<double>;

double sum_of_squares(const Values& y, const Values& t) {
  double sum = 0;
  for (std::size_t k = 0; k < y.size(); ++k) sum += (y[k] - t[k]) * (y[k] - t[k]);
  return sum / 2;
}

/// 1e-7 keeps log away from 0.
double cross_entropy(const Values& y, const Values& t) {
  double sum = 0;
  for (std::size_t k = 0; k < y.size(); ++k) sum -= t[k] * std::log(y[k] + 1e-7);
  return sum;
}

int main() {
  const Values t{0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
  const Values likely{0.1, 0.05, 0.6, 0, 0.05, 0.1, 0, 0.1, 0, 0};    // "2" is the most probable
  const Values unlikely{0.1, 0.05, 0.1, 0, 0.05, 0.1, 0, 0.6, 0, 0};  // "7" is
  std::printf("sum of squares  likely %.4f  unlikely %.4f\n", sum_of_squares(likely, t),
              sum_of_squares(unlikely, t));
  std::printf("cross-entropy   likely %.15f  unlikely %.15f\n", cross_entropy(likely, t),
              cross_entropy(unlikely, t));
}
